// Text of a peer goes to terminals and into logs that people read line by line; what steers either is no part of it.

/** Control characters (C0, DEL, C1), line separators, and marks that turn the direction of writing. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const steering = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g

/** Each such character becomes U+FFFD. */
export const printable = (text: string): string => text.replace(steering, '\ufffd')
