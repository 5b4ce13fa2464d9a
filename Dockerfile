# One image with both programs: `consul` (agent and command line) and `consul-operator`.
#
# `cargo xtask image` builds both as static programs, puts them into dist/ and builds this file. With another
# builder, run `cargo xtask image --dist-only` first, then for example `docker build -t concord:0.1.0 .`
FROM scratch
COPY dist/consul dist/consul-operator /bin/
ENV PATH=/bin
# A numeric user that owns nothing; no shell, no libraries, and nothing that needs a writable root.
USER 65532:65532
ENTRYPOINT ["/bin/consul"]
