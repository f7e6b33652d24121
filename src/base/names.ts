// The one form of the names of proxies and clients: safe in a log line, a file name and a URL, and short enough for the
// header of a stream.

export const longestNameBytes = 64

/** 1 to 64 characters of [a-zA-Z0-9._-], a byte each. */
export const namePattern = /^[a-zA-Z0-9._-]{1,64}$/
