/** A console that is printed to character by character. */
import { evidence, matters } from '../facts.ts';
import type { Rule } from '../rule.ts';

const isSerialPort = (port: number) => (port >= 0x3f8 && port <= 0x3ff) || (port >= 0x2f8 && port <= 0x2ff);
/** The PL011 of QEMU's arm64 machine. */
const isPl011 = (address: number) => address >= 0x09000000 && address < 0x09001000;

export const serialConsole: Rule = {
  id: 'serial-console',
  title: 'The serial console is busy',
  fix: 'Less output (loglevel=4 or quiet on the kernel command line, no getty or debug output on the port), or a virtio console (console=hvc0), which needs no exit per character.',
  reference: 'https://docs.kernel.org/admin-guide/serial-console.html',
  applies: (facts) => {
    const found = [facts.accesses('port', isSerialPort), facts.accesses('mmio', isPl011)].find((group) =>
      matters(group),
    );
    return found ? evidence(found) : null;
  },
};
