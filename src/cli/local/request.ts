// The protocol of the control socket: one line of JSON asks, one line answers, and the connection ends.

export type Request = 'status' | 'reload'

/** What an answer holds besides what was asked for. */
export interface Failure {
  readonly error: string
}

export const encodeRequest = (request: Request): string => `${JSON.stringify({ request })}\n`

/** One line without its end; undefined: nothing that is known here. */
export function readRequest(line: string): Request | undefined {
  try {
    const { request } = JSON.parse(line) as { request?: unknown }
    return request === 'status' || request === 'reload' ? request : undefined
  } catch {
    return undefined
  }
}
