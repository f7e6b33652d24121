// Variables of the environment that are no settings of a file.

export const ownVariables = [
  /** The folder for everything that petrel keeps; see home.ts. */
  'PETREL_HOME',
  /** The configuration file, where --config is not given. */
  'PETREL_CONFIG',
  /** require, auto or off: whether the native addon is loaded. */
  'PETREL_NATIVE',
  /** The secret of either side: auth_token of a server, token of a client. */
  'PETREL_TOKEN',
] as const
