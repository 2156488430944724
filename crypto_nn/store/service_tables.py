"""What the tables of models in service hold: answers, watches, decisions, alerts."""

from crypto_nn.store.table_spec import MINUTE, UNIVERSE, VERSION, TableSpec, columns

CHAMPION_HISTORY = TableSpec(
    "champion_history",
    columns(f"""{UNIVERSE}version VARCHAR version in the model store
made_at TIMESTAMP when it happened, UTC
action VARCHAR promote, rollback, shadow, reject, expire or keep (judged; nothing changed)
reason VARCHAR why"""),
    ("universe",),
    ("universe", "made_at", "version"),
    "Which version answered or shadowed since when, and why.",
)
PREDICTIONS = TableSpec(
    "predictions",
    columns(f"""{MINUTE}
horizon INTEGER minutes ahead
{VERSION}p_down DOUBLE calibrated probability of down
p_flat DOUBLE calibrated probability of flat
p_up DOUBLE calibrated probability of up
predicted_class TINYINT 0 down, 1 flat, 2 up
confidence DOUBLE calibrated probability of the predicted class
in_sample BOOLEAN whether the model learned from this minute"""),
    ("symbol", "month"),
    ("symbol", "ts", "horizon"),
    "What the champion says at each minute.",
)
DRIFT_REPORT = TableSpec(
    "drift_report",
    columns(f"""symbol VARCHAR base and quote, such as BTC-USDT
day VARCHAR day that is compared, YYYY-MM-DD
{VERSION}kind VARCHAR feature, prediction or performance
name VARCHAR what is compared
statistic DOUBLE distance of the day from the reference
effect DOUBLE size of the shift in units of the reference's spread
p_value DOUBLE chance of such a day without drift
score DOUBLE statistic divided by its calibrated quantile
drifted BOOLEAN whether the score is above the threshold
ks DOUBLE Kolmogorov-Smirnov distance to all reference rows, 0 to 1; it decides nothing
wasserstein DOUBLE mean distance of equal quantiles in reference sd; it decides nothing
psi DOUBLE population stability index; it decides nothing
chi_square DOUBLE Pearson's statistic over ten bins or the categories; it decides nothing
cramers_v DOUBLE effect size of chi_square, 0 to 1, both sides weighing alike
verdict VARCHAR compared, new values, or why the column was left out
made_at TIMESTAMP when the report was made, UTC"""),
    ("symbol", "day"),
    ("symbol", "day", "model_version", "kind", "name"),
    "How far each feature of a day has moved from what the champion learned from.",
)
DRIFT_DECISIONS = TableSpec(
    "drift_decisions",
    columns(f"""symbol VARCHAR base and quote, such as BTC-USDT
day VARCHAR day that is compared, YYYY-MM-DD
{VERSION}drift_score DOUBLE largest statistic divided by its calibrated quantile
p_value DOUBLE chance of such a day without drift
threshold DOUBLE drift score above which a day is drifted
drifted BOOLEAN whether the day is drifted
effect DOUBLE size of the largest shift in units of the reference's spread
reference_days BIGINT number of days that the level is calibrated on
reason VARCHAR the verdict in one sentence
worst_feature VARCHAR the column that decides; drift_score can be another's, which moved too little
alpha DOUBLE nominal rate of false alarms per report
false_alarm_rate DOUBLE how often a reference day would have alarmed; NaN where none was compared
forward_alarm_rate DOUBLE the same for later reference days against earlier ones
power VARCHAR chance of an alarm if one column moves by the named shift, JSON
expected_alarms DOUBLE false alarms due in 365 days at one report a day
alarms_in_year BIGINT episodes of drift that began in the last 365 days
alarms_per_year BIGINT how many of them are told one by one
evidence DOUBLE e-value that the champion does worse by known outcomes; 1 is none
made_at TIMESTAMP when it was decided, UTC"""),
    ("symbol", "day"),
    ("symbol", "day", "model_version"),
    "One verdict per symbol and day.",
)
MODEL_METRICS = TableSpec(
    "model_metrics",
    columns(f"""{UNIVERSE}{VERSION}symbol VARCHAR base and quote, such as BTC-USDT
horizon INTEGER minutes ahead
timestamp TIMESTAMP end of the time measured, UTC
accuracy DOUBLE share of right classes, 0 to 1
log_loss_skill DOUBLE 1 minus log loss divided by that of the class shares
majority DOUBLE accuracy of always saying the commonest class
latency_ms DOUBLE median time of one prediction, ms
drift_score DOUBLE largest drift score in the time measured
rows BIGINT number of predictions measured"""),
    ("universe",),
    ("universe", "timestamp", "model_version", "symbol", "horizon"),
    "How the model in service does over time.",
)
MODEL_MONITOR = TableSpec(
    "model_monitor",
    columns(f"""symbol VARCHAR base and quote, such as BTC-USDT
day VARCHAR day that was looked at, YYYY-MM-DD
{VERSION}metric VARCHAR such as log_loss; the family "all", and that of the "labels"
horizon INTEGER minutes ahead; 0 where the metric has none
value DOUBLE of the day; null where there is none, and for a family
baseline DOUBLE mean over the days that it is ranked among
p_value DOUBLE rank of the day among those, one-sided: small where the model does worse
e_value DOUBLE evidence so far that the champion does worse than it did; 1 is none
alarm BOOLEAN whether the evidence has reached its level
rows BIGINT number of predictions measured
verdict VARCHAR ranked, or why not; of a family where its evidence comes from
made_at TIMESTAMP when it was measured, UTC"""),
    ("symbol", "day"),
    ("symbol", "day", "model_version", "metric", "horizon"),
    "How the champion did on a day, beside its baseline, and the evidence so far.",
)
RETRAINING_DECISIONS = TableSpec(
    "retraining_decisions",
    columns(f"""{UNIVERSE}decision VARCHAR the question, which has one row
trigger VARCHAR drift, nightly or manual
symbol VARCHAR whose day it was; null where none
day VARCHAR day that was compared, YYYY-MM-DD; null where none
{VERSION}drift_score DOUBLE of that day; null where none
threshold DOUBLE drift score that was due; lower where evidence lowers it
evidence DOUBLE evidence from matured labels that the champion does worse; null where none
episode VARCHAR episode of the day; null where the day is calm
retrain BOOLEAN whether a retraining was asked for
reason VARCHAR why, or why not
run_key VARCHAR of the run that was asked for; null where none
made_at TIMESTAMP when it was decided, UTC"""),
    ("universe",),
    ("universe", "made_at", "decision"),
    "Every decision to retrain, and every refusal, with its reasons.",
)
SHADOW_SCORES = TableSpec(
    "shadow_scores",
    columns(f"""{UNIVERSE}champion VARCHAR version that answers
shadow VARCHAR version that is compared with it
role VARCHAR challenger, or predecessor (it watches its successor)
day VARCHAR day on which both were compared, YYYY-MM-DD
rows BIGINT number of predictions with a known outcome
champion_loss DOUBLE mean log-loss of the champion, nats
shadow_loss DOUBLE mean log-loss of the shadow, nats
e_better DOUBLE evidence so far that the shadow is better; 1 is none
e_worse DOUBLE evidence so far that it is worse
made_at TIMESTAMP when it was measured, UTC"""),
    ("universe",),
    ("universe", "day", "champion", "shadow"),
    "Champion and shadows on the same rows, day by day.",
)
SERVED_PREDICTIONS = TableSpec(
    "served_predictions",
    columns(f"""{MINUTE}
horizon INTEGER minutes ahead
{VERSION}p_down DOUBLE calibrated probability of down
p_flat DOUBLE calibrated probability of flat
p_up DOUBLE calibrated probability of up
predicted_class TINYINT 0 down, 1 flat, 2 up
confidence DOUBLE calibrated probability of the predicted class
latency_ms DOUBLE from the closed bar to the answer, ms
served_at TIMESTAMP when it was answered, UTC"""),
    ("symbol", "month"),
    ("symbol", "ts", "horizon", "model_version", "served_at"),
    "What was answered live.",
)
SKEW_LEDGER = TableSpec(
    "skew_ledger",
    columns(f"""symbol VARCHAR base and quote, such as BTC-USDT
day VARCHAR day of the predictions, YYYY-MM-DD
source VARCHAR batch (predictions) or served (served_predictions)
{VERSION}rows BIGINT number of predictions that were recomputed
missing BIGINT number that cannot be recomputed any more
absent BIGINT number that should have been made and are not there
doubled BIGINT number that are there more than once
largest_difference DOUBLE largest difference of a probability; null where none was recomputed
largest_at TIMESTAMP the minute of it, UTC
verdict VARCHAR equal, skew, revised (bars are others now) or missing
note VARCHAR why, where it is not equal
checked_of VARCHAR hash of the predictions that were checked
made_at TIMESTAMP when it was recomputed, UTC"""),
    ("symbol",),
    ("symbol", "day", "source", "model_version"),
    "Predictions as they were made beside the same recomputed from bars.",
)
CONTROLS = TableSpec(
    "controls",
    columns("""
control VARCHAR the claim, as the asset check has it
subject VARCHAR what was measured
due VARCHAR what is due, in words
value DOUBLE what came; null where there is nothing
low DOUBLE lower end of its interval
high DOUBLE upper end of its interval
passed BOOLEAN whether what came is what is due
decides BOOLEAN whether the claim rests on it, or it is told beside it
note VARCHAR what a reader should know beside it
runs BIGINT number of markets without an edge that were judged
seed BIGINT seed of all chance
made_at TIMESTAMP when it was measured, UTC
"""),
    (),
    ("control", "decides", "subject"),
    "What the benchmark says where the answer is known; one row per figure, of the last run.",
)
ALERTS = TableSpec(
    "alerts",
    columns("""
made_at TIMESTAMP when it was raised, UTC
kind VARCHAR drift, failure, data or service
key VARCHAR the episode that it is about; each is told once, and its end once
message VARCHAR what was said
state VARCHAR firing, or resolved where the episode is over; null of an older release
title VARCHAR first line of what was said
"""),
    (),
    ("made_at", "kind", "key"),
    "What people were told.",
)
