// What the API says of an instance of a service.

import type { Check } from "../parts/checks";

export interface Upstream {
  DestinationName: string;
  DestinationType?: string;
  Datacenter?: string;
  LocalBindPort?: number;
}

export interface Instance {
  Node: {
    ID: string;
    Node: string;
    Address: string;
    Datacenter: string;
    TaggedAddresses: Record<string, string> | null;
    Meta: Record<string, string> | null;
  };
  Service: {
    Kind?: string;
    ID: string;
    Service: string;
    Tags: string[] | null;
    Address: string;
    Port: number;
    Meta: Record<string, string> | null;
    TaggedAddresses?: Record<string, { Address: string; Port: number }>;
    Weights?: { Passing: number; Warning: number };
    EnableTagOverride?: boolean;
    Proxy?: { DestinationServiceName?: string; Upstreams?: Upstream[] | null };
    Connect?: { Native?: boolean };
    ModifyIndex: number;
  };
  Checks: Check[];
}

/** The address that others use to reach it. */
export function reach(instance: Instance): string {
  const host = instance.Service.Address || instance.Node.Address;
  const shown = host.includes(":") ? `[${host}]` : host;
  return instance.Service.Port ? `${shown}:${instance.Service.Port}` : shown;
}
