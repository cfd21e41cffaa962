/** What happens in the ledger on rows of each event code. */
import { EV_SCHED_SWITCH, EV_SCHED_WAKEUP, EV_SCHED_WAKING, EV_VCPU_WAKEUP } from '../core/events.ts';
import { A_ENTRY, A_EXIT, A_HALT, A_LOST, A_SWITCH, A_USERSPACE, A_WAKE } from './ledger-layout.ts';
import { EVENT_ROLES, ROLE_ENTRY, ROLE_EXIT, ROLE_LOST, ROLE_USERSPACE_EXIT } from './roles.ts';

export const ACTIONS: Uint8Array = (() => {
  const byRole: Readonly<Record<number, number>> = {
    [ROLE_EXIT]: A_EXIT,
    [ROLE_ENTRY]: A_ENTRY,
    [ROLE_USERSPACE_EXIT]: A_USERSPACE,
    [ROLE_LOST]: A_LOST,
  };
  const actions = EVENT_ROLES.map((role) => byRole[role] ?? 0);
  actions[EV_VCPU_WAKEUP] = A_HALT;
  actions[EV_SCHED_SWITCH] = A_SWITCH;
  actions[EV_SCHED_WAKEUP] = A_WAKE;
  actions[EV_SCHED_WAKING] = A_WAKE;
  return actions;
})();
