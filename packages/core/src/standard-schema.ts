/**
 * A schema of any library: zod, valibot, arktype and others make values of this form. The interface is copied from
 * Standard Schema, version 1 (https://standardschema.dev), which recommends the copy, so that no package is needed.
 */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    /** The version of the interface. */
    readonly version: 1
    /** The name of the library. */
    readonly vendor: string
    /** Returns the value as the schema converts it, or the issues of an invalid value. */
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
    /** The types of input and output, for the compiler alone. */
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
  }
}

/** The result of a {@link StandardSchema} for a value. */
export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] }

/** A fault of a value, and its place in the value. */
export interface SchemaIssue {
  readonly message: string
  /** From the outside in; a library may give each step as an object with more in it. */
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}
