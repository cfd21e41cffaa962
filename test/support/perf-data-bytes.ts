/** Numbers, texts and records as perf writes them, in either order of bytes. */

export interface PerfBytes {
  num(size: 2 | 4 | 8, value: number | bigint): Buffer;
  /** NUL-terminated, padded with more of them. */
  text(value: string, align?: number): Buffer;
  record(type: number, misc: number, ...body: Buffer[]): Buffer;
}

export function perfBytes(little: boolean): PerfBytes {
  const num = (size: 2 | 4 | 8, value: number | bigint): Buffer => {
    const bytes = Buffer.alloc(size);
    const wrapped = BigInt.asUintN(8 * size, BigInt(value));
    if (size === 8) little ? bytes.writeBigUInt64LE(wrapped) : bytes.writeBigUInt64BE(wrapped);
    else if (size === 4) little ? bytes.writeUInt32LE(Number(wrapped)) : bytes.writeUInt32BE(Number(wrapped));
    else little ? bytes.writeUInt16LE(Number(wrapped)) : bytes.writeUInt16BE(Number(wrapped));
    return bytes;
  };
  return {
    num,
    text: (value, align = 8) => {
      const bytes = Buffer.from(`${value}\0`);
      return Buffer.concat([bytes, Buffer.alloc((align - (bytes.length % align)) % align)]);
    },
    record: (type, misc, ...body) => {
      const content = Buffer.concat(body);
      return Buffer.concat([num(4, type), num(2, misc), num(2, 8 + content.length), content]);
    },
  };
}
