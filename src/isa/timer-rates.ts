/** Well-known rates of timers, to put a name to a beat that was measured. */

interface TimerRate {
  readonly hz: number;
  readonly what: string;
}

const RATES: readonly TimerRate[] = [
  { hz: 18.2065, what: 'PIT at its slowest (BIOS, DOS)' },
  { hz: 64, what: 'Windows tick (15.625 ms), RTC' },
  { hz: 100, what: 'guest tick, CONFIG_HZ=100' },
  { hz: 128, what: 'RTC' },
  { hz: 250, what: 'guest tick, CONFIG_HZ=250' },
  { hz: 256, what: 'RTC' },
  { hz: 300, what: 'guest tick, CONFIG_HZ=300' },
  { hz: 500, what: 'Windows timer at 2 ms' },
  { hz: 512, what: 'RTC' },
  { hz: 1000, what: 'guest tick, CONFIG_HZ=1000; HPET or Windows timer at 1 ms' },
  { hz: 1024, what: 'RTC' },
  { hz: 2000, what: 'Windows timer at 0.5 ms' },
  { hz: 2048, what: 'RTC' },
];
/** Half the distance between 250 and 256 Hz, of which measured periods are well within. */
const TOLERANCE = 0.011;

/** What usually runs at a rate; null: nothing well known. */
export function timerRateName(hz: number): string | null {
  let best: TimerRate | null = null;
  for (const rate of RATES)
    if (best === null || Math.abs(hz / rate.hz - 1) < Math.abs(hz / best.hz - 1)) best = rate;
  return best !== null && Math.abs(hz / best.hz - 1) <= TOLERANCE ? best.what : null;
}
