// The cluster: members, raft, autopilot, gossip keys, certificates, snapshots.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { bytes, messageOf } from "../core/api";
import { download } from "../core/bytes";
import { useLive, type Live } from "../core/live";
import type { Place } from "../core/router";
import { settings } from "../core/settings";
import { span, when } from "../core/time";
import { Confirm } from "../parts/dialog";
import { say } from "../parts/notes";
import { Tabs } from "../parts/tabs";
import { Act, Await, Facts, Page } from "../parts/tools";

export function Cluster({ place }: { place: Place }) {
  return (
    <Page title="Cluster">
      <Tabs
        place={place}
        tabs={[
          { name: "members", title: "Members", show: () => <Members /> },
          { name: "raft", title: "Servers", show: () => <Raft place={place} /> },
          { name: "gossip", title: "Gossip keys", show: () => <Keyring /> },
          { name: "certificates", title: "Certificates", show: () => <Certificates /> },
          { name: "snapshots", title: "Snapshots", show: () => <Snapshots place={place} /> },
        ]}
      />
    </Page>
  );
}

function Grid<T>({ live, label, head, row }: { live: Live<T[]>; label: string; head: string[]; row: (item: T) => ComponentChildren[] }) {
  return (
    <Await live={live}>
      {(all) => (
        <div class="wide" tabIndex={0} role="region" aria-label={label}>
          <table>
            <thead>
              <tr>
                {head.map((name) => (
                  <th scope="col" key={name}>
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {all.map((item, i) => (
                <tr key={i}>
                  {row(item).map((cell, at) => (
                    <td key={at}>{cell}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Await>
  );
}

interface Member {
  Name: string;
  Addr: string;
  Port: number;
  Tags: Record<string, string>;
  Status: number;
}

const MEMBER_STATES = ["none", "alive", "leaving", "left", "failed"];

function Members() {
  const [wan, setWan] = useState(false);
  const live = useLive<Member[]>("/v1/agent/members", wan ? { wan: 1 } : {}, 3_000);
  return (
    <>
      <label class="inline">
        <input type="checkbox" checked={wan} onChange={() => setWan(!wan)} />
        Servers of all datacenters (WAN)
      </label>
      <Grid
        live={live}
        label="Members"
        head={["Name", "Address", "State", "Role", "Version", "Datacenter"]}
        row={(m) => [
          m.Name,
          `${m.Addr}:${m.Port}`,
          <span class={`health ${m.Status === 1 ? "passing" : m.Status === 4 ? "critical" : "warning"}`}>{MEMBER_STATES[m.Status] ?? m.Status}</span>,
          m.Tags["role"] === "consul" ? "server" : "client",
          (m.Tags["build"] ?? "").split(":")[0],
          m.Tags["dc"],
        ]}
      />
    </>
  );
}

interface Peer {
  ID: string;
  Node: string;
  Address: string;
  Leader: boolean;
  Voter: boolean;
}

interface Autopilot {
  Healthy: boolean;
  FailureTolerance: number;
  Servers: { ID: string; Name: string; Healthy: boolean; LastContact: string; LastIndex: number; StableSince: string }[];
}

function Raft({ place }: { place: Place }) {
  const dc = place.datacenter;
  const raft = useLive<{ Servers: Peer[] }>("/v1/operator/raft/configuration", { dc }, 3_000);
  const health = useLive<Autopilot>("/v1/operator/autopilot/health", { dc }, 3_000);
  const peers: Live<Peer[]> = { ...(raft.data ? { data: raft.data.Servers } : {}), ...(raft.error === undefined ? {} : { error: raft.error }) };
  return (
    <>
      {health.data && (
        <Facts
          facts={[
            ["Autopilot", health.data.Healthy ? "healthy" : "not healthy"],
            ["Servers that may fail", String(health.data.FailureTolerance)],
          ]}
        />
      )}
      <Grid
        live={peers}
        label="Servers"
        head={["Name", "Address", "Role", "Votes", "Health", "Last contact", "Stable since"]}
        row={(p) => {
          const state = health.data?.Servers.find((s) => s.ID === p.ID);
          return [
            p.Node,
            p.Address,
            p.Leader ? "leader" : "follower",
            p.Voter ? "yes" : "no",
            state ? <span class={`health ${state.Healthy ? "passing" : "critical"}`}>{state.Healthy ? "healthy" : "not healthy"}</span> : "—",
            state?.LastContact ?? "—",
            when(state?.StableSince),
          ];
        }}
      />
    </>
  );
}

interface Ring {
  WAN: boolean;
  Datacenter: string;
  Keys: Record<string, number> | null;
  PrimaryKeys?: Record<string, number> | null;
  NumNodes: number;
}

function Keyring() {
  const live = useLive<Ring[]>("/v1/operator/keyring", {}, 30_000);
  return (
    <>
      <p class="dim">Keys are shown by their first characters only.</p>
      <Grid
        live={live}
        label="Gossip keys"
        head={["Pool", "Datacenter", "Nodes", "Keys (nodes that have it)"]}
        row={(r) => [
          r.WAN ? "WAN" : "LAN",
          r.Datacenter,
          String(r.NumNodes),
          Object.entries(r.Keys ?? {})
            .map(([key, count]) => `${key.slice(0, 6)}… (${count})`)
            .join(", ") || "no encryption",
        ]}
      />
    </>
  );
}

interface Root {
  ID: string;
  Name: string;
  NotBefore: string;
  NotAfter: string;
  Active: boolean;
}

function Certificates() {
  const live = useLive<{ Roots: Root[] | null; TrustDomain: string }>("/v1/connect/ca/roots");
  const roots: Live<Root[]> = { ...(live.data ? { data: live.data.Roots ?? [] } : {}), ...(live.error === undefined ? {} : { error: live.error }) };
  return (
    <>
      {live.data && <Facts facts={[["Trust domain", live.data.TrustDomain]]} />}
      <Grid
        live={roots}
        label="Root certificates"
        head={["Name", "In use", "From", "Until", "Left"]}
        row={(r) => [r.Name, r.Active ? "yes" : "no", when(r.NotBefore), when(r.NotAfter), span(Date.parse(r.NotAfter) - Date.now())]}
      />
    </>
  );
}

function Snapshots({ place }: { place: Place }) {
  const dc = place.datacenter;
  const [file, setFile] = useState<File | undefined>();
  const save = async () => {
    const blob = await bytes("GET", "/v1/snapshot", { dc });
    download(`${dc}-${new Date().toISOString().replaceAll(":", "-")}.snap`, blob);
  };
  const restore = async () => {
    const chosen = file;
    setFile(undefined);
    if (!chosen) return;
    try {
      await bytes("PUT", "/v1/snapshot", { dc }, chosen);
      say("The snapshot was restored.");
    } catch (error) {
      say(messageOf(error), true);
    }
  };
  return (
    <section>
      <p>A snapshot holds everything the servers keep: keys, services, sessions, access control. Keep it as safe as the data.</p>
      <div class="actions">
        <Act kind="primary" run={save} done="The snapshot was saved.">
          Save a snapshot
        </Act>
        <label class="button">
          Restore…
          <input
            type="file"
            hidden
            onChange={(event) => {
              setFile(event.currentTarget.files?.[0]);
              event.currentTarget.value = "";
            }}
          />
        </label>
      </div>
      {file && (
        <Confirm
          title="Restore the snapshot?"
          text={`Everything in ${dc} is replaced by what ${file.name} holds. The file is checked before anything changes.`}
          verb="Restore"
          onYes={() => void restore()}
          onNo={() => setFile(undefined)}
        />
      )}
      <p class="dim">Concord {settings.version}</p>
    </section>
  );
}
