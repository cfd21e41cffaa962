/** All rules. A new one is one new file and one line here, and a test where it fires and where it does not. */
import type { Rule } from './rule.ts';
import { apicExits } from './rules/apic-exits.ts';
import { cpuidUser } from './rules/cpuid-user.ts';
import { debugRegisters } from './rules/debug-registers.ts';
import { dirtyLogging } from './rules/dirty-logging.ts';
import { haltPolling } from './rules/halt-polling.ts';
import { hostInterrupts } from './rules/host-interrupts.ts';
import { hpet } from './rules/hpet.ts';
import { hyperV } from './rules/hyper-v.ts';
import { interruptWindow } from './rules/interrupt-window.ts';
import { ioeventfd } from './rules/ioeventfd.ts';
import { ipi } from './rules/ipi.ts';
import { kicks } from './rules/kicks.ts';
import { legacyTimers } from './rules/legacy-timers.ts';
import { losses } from './rules/losses.ts';
import { nested } from './rules/nested.ts';
import { notify } from './rules/notify.ts';
import { pageFaults } from './rules/page-faults.ts';
import { pause } from './rules/pause.ts';
import { pmTimer } from './rules/pm-timer.ts';
import { preempted } from './rules/preempted.ts';
import { serialConsole } from './rules/serial-console.ts';
import { shortHalts } from './rules/short-halts.ts';
import { splitLocks } from './rules/split-locks.ts';
import { timerExits } from './rules/timer-exits.ts';
import { unnamedDevices } from './rules/unnamed-devices.ts';
import { userSpaceDevices } from './rules/user-space-devices.ts';
import { wbinvd } from './rules/wbinvd.ts';

export const RULES: readonly Rule[] = [
  losses,
  nested,
  pageFaults,
  userSpaceDevices,
  unnamedDevices,
  ioeventfd,
  serialConsole,
  hpet,
  pmTimer,
  legacyTimers,
  hyperV,
  timerExits,
  ipi,
  apicExits,
  interruptWindow,
  hostInterrupts,
  preempted,
  shortHalts,
  haltPolling,
  pause,
  cpuidUser,
  splitLocks,
  notify,
  wbinvd,
  debugRegisters,
  kicks,
  dirtyLogging,
];
