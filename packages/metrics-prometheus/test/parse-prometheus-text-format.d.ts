declare module 'parse-prometheus-text-format' {
  function parse(text: string): { name: string; metrics: object[] }[]
  export = parse
}
