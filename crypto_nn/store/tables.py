"""What each table of the lake holds: columns with their meaning, partition, order."""

from collections.abc import Mapping
from types import MappingProxyType

from crypto_nn.store.service_tables import (
    ALERTS,
    CHAMPION_HISTORY,
    CONTROLS,
    DRIFT_DECISIONS,
    DRIFT_REPORT,
    MODEL_METRICS,
    MODEL_MONITOR,
    PREDICTIONS,
    RETRAINING_DECISIONS,
    SERVED_PREDICTIONS,
    SHADOW_SCORES,
    SKEW_LEDGER,
)
from crypto_nn.store.table_spec import (
    MINUTE,
    PRICES,
    UNIVERSE,
    Column,
    TableSpec,
    arrow_type,
    columns,
    duckdb_type,
)

__all__ = [
    "BARS",
    "FEATURES",
    "FEATURE_CATALOG",
    "LIVE_BARS",
    "SKEW_LEDGER",
    "TABLES",
    "TRIALS",
    "TRIAL_LEDGER",
    "TUNING_STUDY",
    "Column",
    "TableSpec",
    "arrow_type",
    "duckdb_type",
]

BARS = TableSpec(
    "bars",
    columns(f"{MINUTE}{PRICES}source VARCHAR venue or file that gave the bar"),
    ("symbol", "month"),
    ("symbol", "ts"),
    "Clean one-minute bars; a missing minute is a missing row.",
)
QUARANTINED_BARS = TableSpec(
    "quarantined_bars",
    columns(
        f"""{MINUTE}{PRICES}
note VARCHAR what the source wrote where a number or time was due
source VARCHAR venue or file that gave the row
received_at TIMESTAMP when the row was fetched, UTC
revision INTEGER 0 for the first delivery of a minute, higher for later corrections
reason VARCHAR short name of the rule that the row breaks
detail VARCHAR what was found and what was due"""
    ),
    ("symbol", "month"),
    ("symbol", "ts"),
    "Rows of the source that cannot be used as bars, with the reason; ts is null if unreadable.",
)
BAR_GAPS = TableSpec(
    "bar_gaps",
    columns("""
symbol VARCHAR base and quote, such as BTC-USDT
month VARCHAR month in which the minutes are missing, YYYY-MM
gap_start TIMESTAMP first missing minute, UTC
gap_end TIMESTAMP first minute after the gap, UTC
minutes BIGINT number of missing minutes
"""),
    ("symbol", "month"),
    ("symbol", "gap_start"),
    "Runs of minutes for which there is no bar.",
)
LIVE_BARS = TableSpec(
    "live_bars",
    columns(
        f"""{MINUTE}{PRICES}
note VARCHAR what the source wrote where a number or time was due
source VARCHAR venue that gave the row
origin VARCHAR stream (sent by the venue) or fetch (asked for, where the stream had a hole)
received_at TIMESTAMP when the row came, UTC
fit BOOLEAN whether it can be a bar, by the rules of quarantined_bars"""
    ),
    (),
    ("symbol", "ts", "received_at"),
    "Rows as they come in live, until refresh_bars folds them into raw_bars and bars.",
    inline_rows=20_000,
)
PARTITION_INPUTS = TableSpec(
    "partition_inputs",
    columns("""
asset VARCHAR bars, features, labels or predictions
symbol VARCHAR base and quote, such as BTC-USDT
month VARCHAR month of the partition, YYYY-MM
inputs VARCHAR SHA-256 of made_of; the same inputs give the same rows
made_of VARCHAR JSON of hashes of all that the rows follow from: data, settings, code
rests_on VARCHAR JSON of the content of each month of bars that was looked at
content VARCHAR SHA-256 of the rows
made_at TIMESTAMP when the rows were made, UTC
"""),
    (),
    ("asset", "symbol", "month"),
    "What each partition was made of, written together with it; what has changed is stale.",
)
GAP_REPAIRS = TableSpec(
    "gap_repairs",
    columns("""
symbol VARCHAR base and quote, such as BTC-USDT
gap_start TIMESTAMP first minute that was missing, UTC
gap_end TIMESTAMP first minute after the gap, UTC
asked_at TIMESTAMP when the source was asked for them, or the gap was first seen, UTC
source VARCHAR who was asked
state VARCHAR what the source held then, as a short hash; null where it does not say
found_minutes BIGINT number of minutes that came
outcome VARCHAR seen, nothing, part, whole or failed
detail VARCHAR why it failed
"""),
    (),
    ("symbol", "gap_start", "asked_at"),
    "Each time a source was asked again for minutes that are missing.",
)
FEATURES = TableSpec(
    "features",
    columns(MINUTE),
    ("symbol", "month"),
    ("symbol", "ts"),
    "What a model sees at each minute; one float column per feature, null in warm-up and gaps.",
    open=True,
)
FEATURE_CATALOG = TableSpec(
    "feature_catalog",
    columns("""
name VARCHAR the column in `features`
feature_group VARCHAR by what it is switched on in the YAML; own: a feature of yours
timeframe VARCHAR of the bars that it is computed on
description VARCHAR what it is, in one line
formula VARCHAR how it follows from the outputs of its indicators
unit VARCHAR what it is counted in
indicators VARCHAR its indicators with their parameters
source VARCHAR the papers and books that define these
warm_up_minutes INTEGER at most so long it is null after a start or a long gap
memory_minutes INTEGER how much history it sees
anchor_days INTEGER how long before a month its computation begins
history_difference DOUBLE largest distance from the value that unlimited history gives, in \
standard deviations, as measured on real bars; null where not measured
fingerprint VARCHAR changes whenever a value of the column could
"""),
    (),
    ("name",),
    "What each column of features is; one row per feature of the set in force.",
)
_HORIZONS = "\n".join(
    f"""return_{h}m DOUBLE log return of the close over the next {h} minutes
score_{h}m DOUBLE return over the next {h} minutes divided by sigma times the root of {h}
t1_{h}m TIMESTAMP when the label of the next {h} minutes is known, UTC
class_{h}m TINYINT 0 down, 1 flat, 2 up over the next {h} minutes; null until it is known"""
    for h in (5, 15, 60)
)
LABELS = TableSpec(
    "labels",
    columns(f"{MINUTE}\nsigma DOUBLE volatility of past 1-minute returns\n{_HORIZONS}"),
    ("symbol", "month"),
    ("symbol", "ts"),
    "What came next, per horizon; null until the horizon has passed.",
    open=True,
)
SPLITS = TableSpec(
    "splits",
    columns(f"""{UNIVERSE}layout VARCHAR rolling or expanding (walk-forward), nightly, or lock_box
fold INTEGER number of the fold, from 0
role VARCHAR train, validation, calibration or test
starts_at TIMESTAMP first instant of the part, UTC
ends_at TIMESTAMP first instant after the part, UTC
purge_minutes BIGINT minutes between parts in which no label may reach over
embargo_minutes BIGINT minutes kept free between each part and the next"""),
    ("universe",),
    ("universe", "layout", "fold", "starts_at", "role"),
    "The parts of time that a model learns from and is judged on.",
)
CHECKPOINTS = TableSpec(
    "checkpoints",
    columns(f"""{UNIVERSE}version VARCHAR version in the model store
model VARCHAR name of the architecture
parent VARCHAR version that answered when it was trained; null before the first
snapshot BIGINT lake snapshot whose rows were learned from
trained_at TIMESTAMP when training ended, UTC
launched_at TIMESTAMP when it was last asked for, UTC; the same inputs give the same version
train_start TIMESTAMP first instant of the training rows, UTC
train_end TIMESTAMP first instant after the training rows, UTC
validation_loss DOUBLE cross-entropy on the validation rows, nats
parameters BIGINT number of trained weights
metrics VARCHAR JSON of measured metrics
config VARCHAR JSON of all settings
code_hash VARCHAR SHA-256 of the code that trained it
config_hash VARCHAR SHA-256 of the settings"""),
    ("universe",),
    ("universe", "trained_at", "version"),
    "One row per trained version.",
)
TRAINING_HISTORY = TableSpec(
    "training_history",
    columns(f"""{UNIVERSE}version VARCHAR version in the model store
epoch INTEGER number of the pass, from 1
train_loss DOUBLE mean training loss, nats
validation_loss DOUBLE mean validation loss, nats
learning_rate DOUBLE at the end of the epoch
seconds DOUBLE wall time of the epoch
validation_accuracy DOUBLE mean recall of the classes, over horizons; null where not recorded"""),
    ("universe",),
    ("universe", "version", "epoch"),
    "How each version learned, epoch by epoch.",
)
RUNS = TableSpec(
    "runs",
    columns(f"""{UNIVERSE}run VARCHAR id of Dagster's run
version VARCHAR version in the model store; null where none came of it
model VARCHAR name of the architecture
preset VARCHAR size of the architecture
state VARCHAR running, complete, known (the version was there already), failed, stopped or killed
error VARCHAR why it failed
reason VARCHAR what started it: manual, nightly, drift or none told
started_at TIMESTAMP when it began, UTC
ended_at TIMESTAMP when it ended, UTC; null while it runs
seed BIGINT seed of first weights, order of windows and dropout
epochs INTEGER epochs that were trained
parameters BIGINT number of trained weights
validation_loss DOUBLE cross-entropy on the validation rows, nats
metrics VARCHAR JSON of measured metrics
settings VARCHAR JSON of the whole experiment
config_hash VARCHAR SHA-256 of the settings
code_hash VARCHAR SHA-256 of the code that trained it
snapshot BIGINT lake snapshot whose rows were learned from
machine VARCHAR JSON of what bits depend on: processor, threads, libraries"""),
    ("universe", "run"),
    ("universe", "started_at", "run"),
    "One row per training that was started, whatever became of it.",
)
TUNING_STUDY = TableSpec(
    "tuning_study",
    columns(f"""{UNIVERSE}study VARCHAR universe, model, and a hash of rows, settings and code
model VARCHAR name of the architecture
objective VARCHAR single (log-loss) or multi (log-loss skill against latency)
asked BIGINT trials that were asked for
complete BIGINT trials that were trained to their end
pruned BIGINT trials that were ended early
failed BIGINT trials that could not be trained
waiting BIGINT trials that are queued for the next call
best_trial BIGINT number of the best trial; null where none is complete
best_value DOUBLE its validation log-loss in nats, or its log-loss skill where objective is multi
best_version VARCHAR its version in the model store
params VARCHAR JSON of its settings, by dotted path
space VARCHAR JSON of what could vary
importance VARCHAR JSON of the share of differences that each setting explains
front VARCHAR JSON of the numbers of the trials that no other beats in every objective
snapshot BIGINT lake snapshot whose rows were searched on
made_at TIMESTAMP when this was written, UTC"""),
    ("universe",),
    ("universe", "study"),
    "One row per search over settings.",
)
TRIALS = TableSpec(
    "trials",
    columns(f"""{UNIVERSE}study VARCHAR universe, model, and a hash of rows, settings and code
number BIGINT number of the trial in its study, from 0
model VARCHAR name of the architecture
state VARCHAR complete, pruned (ended early) or failed
params VARCHAR JSON of its settings, by dotted path
value DOUBLE validation log-loss, nats; of a pruned trial null; with several objectives the skill
skill VARCHAR JSON of the log-loss skill on validation rows, by horizon in minutes
sharpe DOUBLE net Sharpe ratio by the year on validation days, at the headline cost
latency_p99_ms DOUBLE time of one window on one thread, 99th percentile, ms
version VARCHAR what it trained, whether that is kept or not; null where it trained several
started_at TIMESTAMP when it began, UTC
ended_at TIMESTAMP when it ended, UTC
seed BIGINT seed of training
error VARCHAR why it failed"""),
    ("universe",),
    ("universe", "study", "number"),
    "Every trial of every search, once; the deflated Sharpe ratio counts them.",
)
BENCHMARK_REPORT = TableSpec(
    "benchmark_report",
    columns(f"""{UNIVERSE}run VARCHAR the benchmark's own id
made_at TIMESTAMP when it was made, UTC
fold INTEGER number of the fold; null over all folds
seed INTEGER seed of training; null over all seeds
model VARCHAR model or baseline
symbol VARCHAR base and quote; null over all symbols
horizon INTEGER minutes ahead
metric VARCHAR name of the metric; of one month or regime alone with it behind an @
value DOUBLE the estimate
low DOUBLE lower end of its 95 % interval
high DOUBLE upper end of its 95 % interval
p_value DOUBLE two-sided, against 0; null where none was measured"""),
    ("universe",),
    ("universe", "run", "model", "metric", "horizon", "symbol", "fold", "seed"),
    "Every model and baseline on the same folds.",
)
TRIAL_LEDGER = TableSpec(
    "trial_ledger",
    columns(f"""{UNIVERSE}key VARCHAR hash of what was tried and what came of it; counts once
made_at TIMESTAMP when it was judged first, UTC
source VARCHAR what judged it: benchmark or arms
model VARCHAR model or baseline
horizon INTEGER minutes ahead; 0 is all horizons combined
seed INTEGER seed of training
first_day VARCHAR first test day, YYYY-MM-DD
last_day VARCHAR last test day, YYYY-MM-DD
days INTEGER number of test days
cost_bps DOUBLE cost of a round trip in daily_sharpe, basis points
daily_sharpe DOUBLE mean over standard deviation of daily returns after costs; null if never traded
gross_daily_sharpe DOUBLE the same before costs; its spread is that of luck"""),
    ("universe",),
    ("universe", "made_at", "model", "horizon", "seed", "key"),
    "Every strategy that was ever judged, once; rows are only added, and deflate Sharpe ratios.",
)

TABLES: Mapping[str, TableSpec] = MappingProxyType(
    {
        spec.name: spec
        for spec in (
            BARS, QUARANTINED_BARS, BAR_GAPS, LIVE_BARS, PARTITION_INPUTS, GAP_REPAIRS, FEATURES,
            FEATURE_CATALOG, LABELS, SPLITS, CHECKPOINTS,
            TRAINING_HISTORY, RUNS, TUNING_STUDY, TRIALS, BENCHMARK_REPORT, TRIAL_LEDGER,
            CHAMPION_HISTORY, PREDICTIONS, DRIFT_REPORT, DRIFT_DECISIONS, MODEL_METRICS, CONTROLS,
            ALERTS, MODEL_MONITOR, RETRAINING_DECISIONS, SHADOW_SCORES, SERVED_PREDICTIONS,
            SKEW_LEDGER,
        )
    }
)  # fmt: skip
