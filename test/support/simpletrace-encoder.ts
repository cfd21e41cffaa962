/** Writes simpletrace files as QEMU's versions do (trace/simple.c), independent of the parser. */

export interface EncodedArgument {
  readonly type: 'number' | 'string';
  readonly value: bigint | Uint8Array;
}

export interface EncodedEvent {
  readonly id: bigint;
  readonly time: bigint;
  readonly pid: number;
  readonly args: readonly EncodedArgument[];
}

export type EncodedRecord = EncodedEvent | { readonly id: bigint; readonly name: string };

export const DROPPED_ID = 0xfffffffffffffffen;

export const number = (value: bigint): EncodedArgument => ({
  type: 'number',
  value: BigInt.asUintN(64, value),
});
export const string = (value: string): EncodedArgument => ({ type: 'string', value: Buffer.from(value) });

interface Order {
  u64(value: bigint): Buffer;
  u32(value: number): Buffer;
}

function order(little: boolean): Order {
  return {
    u64(value) {
      const bytes = Buffer.alloc(8);
      if (little) bytes.writeBigUInt64LE(value);
      else bytes.writeBigUInt64BE(value);
      return bytes;
    },
    u32(value) {
      const bytes = Buffer.alloc(4);
      if (little) bytes.writeUInt32LE(value);
      else bytes.writeUInt32BE(value);
      return bytes;
    },
  };
}

/** Header, then every record; returns also where each record ends. */
export function encode(
  records: readonly EncodedRecord[],
  { version = 4, little = true }: { version?: number; little?: boolean } = {},
): { bytes: Buffer; ends: number[] } {
  const { u64, u32 } = order(little);
  const parts = [u64(0xffffffffffffffffn), u64(0xf2b177cb0aa429b4n), u64(BigInt(version))];
  if (version === 0) parts.push(Buffer.alloc(40));
  let length = version === 0 ? 64 : 24;
  const ends: number[] = [];
  for (const record of records) {
    let bytes: Buffer;
    if ('name' in record) {
      if (version < 4) throw new Error('no names before version 4');
      const name = Buffer.from(record.name);
      bytes = Buffer.concat([u64(0n), u64(record.id), u32(name.length), name]);
    } else {
      const args = Buffer.concat(
        record.args.map(({ value }) =>
          typeof value === 'bigint' ? u64(value) : Buffer.concat([u32(value.length), value]),
        ),
      );
      if (version === 0)
        bytes = Buffer.concat([u64(record.id), u64(record.time), args, Buffer.alloc(48 - args.length)]);
      else
        bytes = Buffer.concat([
          ...(version === 4 ? [u64(1n)] : []),
          u64(record.id),
          u64(record.time),
          u32(24 + args.length),
          u32(version === 2 ? 0 : record.pid),
          args,
        ]);
    }
    parts.push(bytes);
    length += bytes.length;
    ends.push(length);
  }
  return { bytes: Buffer.concat(parts), ends };
}
