// The chart: candles, and an arrow per answer that says what became of it.

const { createChart, createSeriesMarkers, CandlestickSeries, HistogramSeries, LineStyle } =
  window.LightweightCharts;

/** A colour of the present theme as rgb(): the canvas does not know the page's variables. */
function color(name) {
  const probe = document.body.appendChild(document.createElement("i"));
  probe.style.color = `var(${name})`;
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}
const seconds = (ts) => Math.floor(Date.parse(ts) / 1000);
const PLACES = { up: "belowBar", down: "aboveBar" };
const SHAPES = { up: "arrowUp", down: "arrowDown" };

/** What became of an answer: right, wrong, or open while nobody can know. */
export function became(answer) {
  if (answer.outcome === null) return "open";
  return answer.outcome === answer.predicted ? "right" : "wrong";
}

export class Chart {
  constructor(box, onRead) {
    this.box = box;
    this.onRead = onRead;
    this.bars = [];
    this.cursor = null;
    this.chart = createChart(box, {
      autoSize: true,
      // The logo would add an inline style, which the page's policy forbids: the footer has the link.
      layout: { attributionLogo: false, fontFamily: getComputedStyle(document.body).fontFamily },
      timeScale: { timeVisible: true, secondsVisible: false, rightOffset: 4, minBarSpacing: 1 },
      localization: { locale: "en-GB" },
      // A page that is scrolled with a finger or a wheel must not be caught by the chart.
      handleScroll: { vertTouchDrag: false, mouseWheel: false },
      handleScale: { mouseWheel: false },
    });
    this.volume = this.chart.addSeries(HistogramSeries, {
      priceScaleId: "volume", priceFormat: { type: "volume" }, lastValueVisible: false, priceLineVisible: false,
    });
    this.volume.priceScale().applyOptions({ scaleMargins: { top: 0.86, bottom: 0 } });
    this.candles = this.chart.addSeries(CandlestickSeries, { priceLineStyle: LineStyle.Dotted });
    this.candles.priceScale().applyOptions({ scaleMargins: { top: 0.08, bottom: 0.18 } });
    this.markers = createSeriesMarkers(this.candles, []);
    this.chart.subscribeCrosshairMove((event) => this.read(event.time));
    box.addEventListener("keydown", (event) => this.step(event));
    this.paint();
  }

  /** Take the colours of the present theme. */
  paint() {
    const [up, down] = [color("--up"), color("--down")];
    this.chart.applyOptions({
      layout: { background: { color: color("--card") }, textColor: color("--soft") },
      grid: { vertLines: { visible: false }, horzLines: { color: color("--line") } },
      rightPriceScale: { borderColor: color("--line") },
      timeScale: { borderColor: color("--line") },
    });
    this.candles.applyOptions({
      upColor: up, downColor: down, wickUpColor: up, wickDownColor: down, borderVisible: false,
    });
    this.volumes = [up, down].map((each) => each.replace("rgb(", "rgba(").replace(")", ", 0.28)"));
    this.volume.setData(this.bars.map((bar) => this.volumeOf(bar)));
  }

  show(bars) {
    this.bars = bars;
    const places = decimals(bars);
    this.candles.applyOptions({
      priceFormat: { type: "price", precision: places, minMove: 10 ** -places },
    });
    this.candles.setData(bars.map(candleOf));
    this.volume.setData(bars.map((bar) => this.volumeOf(bar)));
    this.recent();
  }

  /** The same symbol read anew: the view stays where the reader has moved it. */
  refill(bars) {
    this.bars = bars;
    this.candles.setData(bars.map(candleOf));
    this.volume.setData(bars.map((bar) => this.volumeOf(bar)));
  }

  /** Look at the newest bars: as many as stay readable. */
  recent() {
    const room = Math.max(40, Math.floor(this.box.clientWidth / 7));
    const last = this.bars.length;
    this.chart.timeScale().setVisibleLogicalRange({ from: Math.max(0, last - room), to: last + 4 });
  }

  /** One more bar, or a newer reading of the newest one. */
  add(bars, bar) {
    this.bars = bars;
    if (bars.at(-1) === bar) {
      this.candles.update(candleOf(bar));
      this.volume.update(this.volumeOf(bar));
    } else {
      this.refill(bars);
    }
  }

  mark(answers) {
    const shown = new Set(this.bars.map((bar) => bar.ts));
    const colors = { right: color("--good"), wrong: color("--bad"), open: color("--flat") };
    this.markers.setMarkers(
      answers.filter((one) => one.predicted !== "flat" && shown.has(one.ts)).map((one) => ({
        time: seconds(one.ts), position: PLACES[one.predicted], shape: SHAPES[one.predicted],
        color: colors[became(one)], size: 0.8,
      })),
    );
  }

  volumeOf(bar) {
    return { time: seconds(bar.ts), value: bar.v, color: this.volumes[bar.c >= bar.o ? 0 : 1] };
  }

  read(time) {
    this.onRead(time === undefined ? null : this.bars.find((bar) => seconds(bar.ts) === time) ?? null);
  }

  step(event) {
    const last = this.bars.length - 1;
    const at = this.cursor ?? last;
    const steps = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: last };
    if (!(event.key in steps) || last < 0) return;
    event.preventDefault();
    this.cursor = Math.min(last, Math.max(0, steps[event.key]));
    const bar = this.bars[this.cursor];
    this.chart.setCrosshairPosition(bar.c, seconds(bar.ts), this.candles);
    const seen = this.chart.timeScale().getVisibleLogicalRange();
    if (seen && (this.cursor < seen.from || this.cursor > seen.to)) {
      const half = (seen.to - seen.from) / 2;
      this.chart.timeScale().setVisibleLogicalRange({ from: this.cursor - half, to: this.cursor + half });
    }
    this.onRead(bar, true);
  }
}

const candleOf = (bar) => ({
  time: seconds(bar.ts), open: bar.o, high: bar.h, low: bar.l, close: bar.c,
});

/** As many decimals as five or six digits need. */
export function decimals(bars) {
  const price = bars.at(-1)?.c ?? 1;
  return Math.min(8, Math.max(2, 4 - Math.floor(Math.log10(Math.max(price, 1e-8)))) );
}
