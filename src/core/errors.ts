/** Errors that a user sees: each says where, what was expected and what to do. */

/** The input cannot be read as the format it claims to be (or as any). */
export class TraceFormatError extends Error {
  constructor(
    readonly details: {
      /** Format id, or 'unknown'. */
      format: string;
      /** What is wrong: no capital at the beginning, no full stop at the end. */
      message: string;
      /** Byte offset in the input, if one is to blame. */
      offset?: number;
      /** Line number (1-based) of a text input. */
      line?: number;
      /** Part of the file: 'header', 'feature section 3', … */
      section?: string;
      /** What the user can do. */
      hint?: string;
    },
    options?: ErrorOptions,
  ) {
    const where = [
      details.section,
      details.offset === undefined ? undefined : `at byte ${details.offset}`,
      details.line === undefined ? undefined : `line ${details.line}`,
    ].filter((part) => part !== undefined);
    super(`${details.format}: ${details.message}${where.length ? ` (${where.join(', ')})` : ''}`, options);
    this.name = 'TraceFormatError';
  }
}

/** Wrong use of the command line: exit status 2, no stack trace. */
export class UsageError extends Error {
  constructor(
    /** As that of a TraceFormatError. */
    message: string,
    /** What the user can do: sentences. */
    readonly hint?: string,
  ) {
    super(message);
    this.name = 'UsageError';
  }
}
