// What the agent tells the page when it serves it. Nothing secret is in there.

export interface Settings {
  /** Where the page lives, begins and ends with a slash. */
  base: string;
  /** The datacenter of the agent. */
  datacenter: string;
  /** Whether the agent checks tokens. */
  acls: boolean;
  /** Links to dashboards by name; `{{Service.Name}}`, `{{Service.Namespace}}` and `{{Datacenter}}` are filled in. */
  dashboards: Record<string, string>;
  /** The version of the agent. */
  version: string;
}

function read(): Settings {
  const fallback: Settings = { base: "/ui/", datacenter: "dc1", acls: false, dashboards: {}, version: "" };
  const text = document.querySelector<HTMLMetaElement>('meta[name="concord-settings"]')?.content ?? "";
  try {
    return { ...fallback, ...(JSON.parse(text) as Partial<Settings>) };
  } catch {
    return fallback;
  }
}

export const settings = read();

/** The address of a service's dashboard, or nothing when none is set or the template is not an http(s) address. */
export function dashboardOf(service: string, datacenter: string): string | undefined {
  const template = settings.dashboards["service"];
  if (!template) return undefined;
  const address = template
    .replaceAll("{{Service.Name}}", encodeURIComponent(service))
    .replaceAll("{{Service.Namespace}}", "default")
    .replaceAll("{{Service.Partition}}", "default")
    .replaceAll("{{Datacenter}}", encodeURIComponent(datacenter));
  return /^https?:\/\//i.test(address) ? address : undefined;
}
