import { Counter, Gauge, Registry } from 'prom-client';

const maxLabel = 200;

/** Metrics of one moment, in a registry of their own: nothing is kept between two readings, nothing is global. */
export class MetricSet {
  /** Of the format that `text` writes. */
  static readonly contentType = Registry.PROMETHEUS_CONTENT_TYPE;
  readonly #registry = new Registry();

  gauge(name: string, help: string, labelNames: string[] = []): Gauge {
    return new Gauge({ name, help, labelNames, registers: [this.#registry] });
  }

  /** A total that has been counted elsewhere: `inc` it once by the whole. */
  counter(name: string, help: string, labelNames: string[] = []): Counter {
    return new Counter({ name, help, labelNames, registers: [this.#registry] });
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }
}

/** A text as the value of a label: descriptors may be longer than a label should be. */
export function label(text: string): string {
  return text.length > maxLabel ? `${text.slice(0, maxLabel - 1)}…` : text;
}
