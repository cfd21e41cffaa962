import { TraceFormatError } from '../../core/errors.ts';
import type { Container } from './container-records.ts';
import type { PerfHeader } from './header.ts';

export function recogniseFormats(
  _header: PerfHeader,
  _container: Container,
  _streams: [number, number][],
): void {
  throw new TraceFormatError({ format: 'perf.data', message: 'no formats' });
}
