// pino-roll ships without types: what we use of it.

declare module 'pino-roll' {
  export interface RollOptions {
    readonly file: string
    /** "10k", "10m". */
    readonly size: string
    readonly frequency?: 'daily' | 'hourly'
    readonly limit: { readonly count: number; readonly removeOtherLogFiles: boolean }
    readonly mkdir: boolean
    readonly sync: boolean
  }
  export default function roll(options: RollOptions): Promise<{ write(text: string): unknown }>
}
