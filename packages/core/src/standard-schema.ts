/**
 * A schema of any library: zod, valibot, arktype and others make values of this form. The interface is copied from
 * Standard Schema, version 1 (https://standardschema.dev), which recommends the copy, so that no package is needed.
 */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    /** Of the interface. */
    readonly version: 1
    /** The library. */
    readonly vendor: string
    /** Answers the value as the schema makes it, or what is wrong with it. */
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
    /** For the compiler alone: what goes in, and what comes out. */
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
  }
}

/** What a {@link StandardSchema} says of a value. */
export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] }

/** One thing that is wrong with a value, and where. */
export interface SchemaIssue {
  readonly message: string
  /** From the outside in; a library may give each step as an object with more in it. */
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}
