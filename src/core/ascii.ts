/** Bytes of text by name, for readers that look at bytes. */

export const TAB = 9;
export const LINE_FEED = 10;
export const CARRIAGE_RETURN = 13;
export const ESCAPE = 27;
/** What is not above it is a blank or a control character. */
export const BLANK = 32;
export const HASH = 35;
export const OPEN_PAREN = 40;
export const CLOSE_PAREN = 41;
export const PLUS = 43;
export const COMMA = 44;
export const DASH = 45;
export const DOT = 46;
export const SLASH = 47;
export const ZERO = 48;
export const NINE = 57;
export const COLON = 58;
export const EQUALS = 61;
export const GREATER = 62;
export const QUESTION_MARK = 63;
export const AT = 64;
export const OPEN_BRACKET = 91;
export const CLOSE_BRACKET = 93;
export const UNDERSCORE = 95;
export const PIPE = 124;
export const TILDE = 126;

export const UPPER_A = 65;
export const UPPER_C = 67;
export const UPPER_I = 73;
export const UPPER_P = 80;
export const UPPER_Q = 81;
export const UPPER_R = 82;
export const UPPER_T = 84;
export const LOWER_A = 97;
export const LOWER_D = 100;
export const LOWER_E = 101;
export const LOWER_F = 102;
export const LOWER_M = 109;
export const LOWER_R = 114;
export const LOWER_S = 115;
export const LOWER_U = 117;
export const LOWER_V = 118;
export const LOWER_X = 120;
export const LOWER_Y = 121;
export const LOWER_Z = 122;

/** Set in a lower-case letter, clear in an upper-case one. */
export const LOWER_CASE = 32;
