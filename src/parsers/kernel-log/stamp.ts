/**
 * What stands before a message of the kernel's log (printk), by who printed it:
 *
 *     [   10.240799] MESSAGE                      dmesg, the console; with CONFIG_PRINTK_CALLER `[   10.240799][  T124] `
 *     <6>[   10.240799] MESSAGE                   dmesg -r
 *     kern  :info  : [   10.240799] MESSAGE       dmesg -x
 *     [Sun Nov 29 13:09:31 2026] MESSAGE          dmesg -T
 *     Nov 29 13:09:31 host kernel: MESSAGE        syslog, journalctl; mostly with `[   10.240799] ` behind it
 *
 * Not /dev/kmsg, where a message of several lines is one, with the line feeds escaped.
 */
/** Bytes of a line that are looked at. */
const ENOUGH = 160;
const STAMP =
  /^(?:(?:<\d{1,3}>|[a-z]{2,8} *:[a-z]{2,8} *: |.{1,100}? kernel: )?\[(?: *\d{1,10}\.\d{6}|[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4})\](?:\[ *[CT]\d{1,10}\])? |.{1,100}? kernel: )/;

/** Position of the message in the line [start, end); `start` if the line has no stamp. */
export function skipStamp(buf: Uint8Array, start: number, end: number): number {
  const length = Math.min(end - start, ENOUGH);
  // A byte is a character: positions in the text are those in the line.
  const match = STAMP.exec(Buffer.from(buf.buffer, buf.byteOffset + start, length).toString('latin1'));
  return match === null ? start : start + match[0].length;
}
