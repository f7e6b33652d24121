// Keeps secrets out of everything that is printed, by their shape: a token wherever it stands, also in the text of an
// error that somebody else wrote.

/** The format of base/token.ts, and of a join string's tail. */
const secrets = /ptl_[A-Za-z0-9_-]{16,}(\.[A-Za-z0-9_-]{43})?/g
const keys = /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z ]*PRIVATE KEY-----|$)/g

export const redact = (text: string): string =>
  text.replace(secrets, 'ptl_[redacted]').replace(keys, '[private key redacted]')
