// Colours for JSON, YAML and HCL: a few token kinds, enough to read by, never a parser.

export type Language = "json" | "yaml" | "hcl" | "text";
export type Kind = "key" | "string" | "number" | "word" | "comment" | "plain";
export interface Token {
  kind: Kind;
  text: string;
}

/** Texts above this many characters are shown plain, so that a page never freezes. */
export const LARGEST = 100_000;

const RULES: Record<Exclude<Language, "text">, RegExp> = {
  json: /(?<key>"(?:[^"\\]|\\.)*"(?=\s*:))|(?<string>"(?:[^"\\]|\\.)*")|(?<number>-?\b\d[\d.eE+-]*)|(?<word>\b(?:true|false|null)\b)/g,
  yaml: /(?<comment>(?<=^|\s)#.*$)|(?<key>^[ \t]*(?:- )*[\w./-]+(?=\s*:(?:\s|$)))|(?<string>"(?:[^"\\]|\\.)*"|'(?:[^']|'')*')|(?<number>(?<=[\s:[,])-?\d[\d.eE+-]*(?=\s|$|,|]))|(?<word>\b(?:true|false|null|yes|no)\b)/gm,
  hcl: /(?<comment>(?:#|\/\/).*$)|(?<key>^[ \t]*[\w-]+(?=\s*(?:=|\{|")))|(?<string>"(?:[^"\\]|\\.)*")|(?<number>\b\d[\d.]*\b)|(?<word>\b(?:true|false)\b)/gm,
};

/** What a text most likely is. */
export function guess(text: string, name = ""): Language {
  const ending = /\.(\w+)$/.exec(name)?.[1]?.toLowerCase();
  if (ending === "json") return "json";
  if (ending === "yml" || ending === "yaml") return "yaml";
  if (ending === "hcl" || ending === "tf" || ending === "nomad") return "hcl";
  if (text.length > LARGEST) return "text";
  const trimmed = text.trim();
  if (/^[[{]/.test(trimmed)) {
    try {
      JSON.parse(trimmed);
      return "json";
    } catch {
      // Not JSON; it may still be one of the others.
    }
  }
  if (/^[\w-]+\s*(?:"[^"]*"\s*)*(?:\{|=)/m.test(trimmed)) return "hcl";
  if (/^(?:---|[\w.-]+:(?:\s|$))/m.test(trimmed)) return "yaml";
  return "text";
}

export function highlight(text: string, language: Language): Token[] {
  if (language === "text" || text.length > LARGEST) return [{ kind: "plain", text }];
  const tokens: Token[] = [];
  let at = 0;
  for (const match of text.matchAll(RULES[language])) {
    const kind = Object.entries(match.groups ?? {}).find(([, value]) => value !== undefined)?.[0] as Kind | undefined;
    if (!kind || !match[0]) continue;
    if (match.index > at) tokens.push({ kind: "plain", text: text.slice(at, match.index) });
    tokens.push({ kind, text: match[0] });
    at = match.index + match[0].length;
  }
  if (at < text.length) tokens.push({ kind: "plain", text: text.slice(at) });
  return tokens;
}
