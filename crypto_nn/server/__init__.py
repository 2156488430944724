"""HTTP, WebSocket and the live page: a champion that answers, without torch and Dagster."""
