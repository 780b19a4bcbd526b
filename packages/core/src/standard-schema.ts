/**
 * A schema of any library that implements Standard Schema, such as zod. The interface is copied from its version 1
 * (https://standardschema.dev), as the specification recommends.
 */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    /** The version of the Standard Schema interface. */
    readonly version: 1
    /** The name of the library that made the schema. */
    readonly vendor: string
    /** Returns the value as the schema converts it, or the issues of an invalid value. */
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
    /** The types of input and output, for the compiler only; libraries set no value. */
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
  }
}

/** The result of a {@link StandardSchema} for a value: the converted value, or the issues of an invalid value. */
export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] }

/** One fault of an invalid value, and the position of the fault in the value. */
export interface SchemaIssue {
  readonly message: string
  /**
   * The keys that lead to the fault; the first key names a member of the whole value. A library may give a key as an object
   * with further members.
   */
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}
