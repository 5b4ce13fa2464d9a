"""What programs written with python-consul do: keys, sessions and locks, services and their health, blocking reads.

Arguments: the host; for HTTPS also the port, a token, and the files of the authority, of a certificate and of its key.
"""

import sys
import threading

import consul

if len(sys.argv) == 2:
    client = consul.Consul(host=sys.argv[1])
else:
    host, port, token, authority, certificate, key = sys.argv[1:]
    tls = {"scheme": "https", "verify": authority, "cert": (certificate, key)}
    client = consul.Consul(host=host, port=int(port), token=token, **tls)
    # Sessions and the agent's checks take no token in this library; its users set the header.
    client.http.session.headers["X-Consul-Token"] = token


def check(what, found, wanted):
    if found != wanted:
        sys.exit(f"{what}: {found!r} instead of {wanted!r}")


def keys():
    check("put", client.kv.put("a/b", "1", flags=7), True)
    index, entry = client.kv.get("a/b")
    check("get", (entry["Value"], entry["Flags"]), (b"1", 7))
    check("cas that is late", client.kv.put("a/b", "2", cas=1), False)
    check("cas in time", client.kv.put("a/b", "2", cas=entry["ModifyIndex"]), True)
    check("keys", client.kv.get("a/", keys=True)[1], ["a/b"])
    waiting = threading.Thread(target=lambda: client.kv.put("a/b", "3"))
    index, _ = client.kv.get("a/b")
    waiting.start()
    check("a blocking read", client.kv.get("a/b", index=index, wait="30s")[1]["Value"], b"3")
    waiting.join()
    check("delete", client.kv.delete("a", recurse=True), True)
    check("no such key", client.kv.get("a/b")[1], None)


def locks():
    first, second = client.session.create(name="first", ttl=60), client.session.create(behavior="delete")
    check("acquire", client.kv.put("lock", "mine", acquire=first), True)
    check("acquire what is held", client.kv.put("lock", "theirs", acquire=second), False)
    check("the holder", client.kv.get("lock")[1]["Session"], first)
    check("renew", client.session.renew(first)["ID"], first)
    check("release", client.kv.put("lock", "free", release=first), True)
    check("acquire when free", client.kv.put("lock", "theirs", acquire=second), True)
    check("destroy", client.session.destroy(second), True)
    check("deleted with its session", client.kv.get("lock")[1], None)


def services():
    ttl = consul.Check.ttl("1h")
    client.agent.service.register("web", service_id="web1", port=80, tags=["v1"], check=ttl)
    client.agent.check.ttl_pass("service:web1")
    check("the agent's services", sorted(client.agent.services()), ["web1"])
    wait_for("passing", lambda: len(client.health.service("web", passing=True)[1]), 1)
    client.agent.check.ttl_fail("service:web1")
    wait_for("critical", lambda: len(client.health.service("web", passing=True)[1]), 0)
    check("the catalog", client.catalog.service("web")[1][0]["ServicePort"], 80)
    client.agent.service.deregister("web1")
    wait_for("gone", lambda: "web" in client.catalog.services()[1], False)


def wait_for(what, look, wanted):
    index = None
    for _ in range(20):
        if look() == wanted:
            return
        index, _ = client.health.state("any", index=index, wait="2s")
    sys.exit(f"{what}: still {look()!r} instead of {wanted!r}")


keys()
locks()
services()
check("the leader", bool(client.status.leader()), True)
print("all done")
