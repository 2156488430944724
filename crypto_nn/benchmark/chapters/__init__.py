"""THE REPORT, chapter by chapter: each turns a result into headings, words, tables, pictures."""
