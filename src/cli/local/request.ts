// The protocol of the control socket: one line of JSON asks, one line answers (an object with the request's
// name, or with `error`), and the connection ends.

const requests = ['status', 'reload', 'join'] as const
export type Request = (typeof requests)[number]

export const encodeRequest = (request: Request): string => `${JSON.stringify({ request })}\n`

/** One line without its end; undefined: nothing that is known here. */
export function readRequest(line: string): Request | undefined {
  try {
    const { request } = JSON.parse(line) as { request?: unknown }
    return requests.find((known) => known === request)
  } catch {
    return undefined
  }
}
