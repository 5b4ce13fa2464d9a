//! A server's own end of the door: answers what it may, sends the rest to the leader, and holds requests while there is
//! none.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use model::{ServerId, SessionId, Token, TxnAnswer};
use server::acl::{self, Caller, Guard, Settings, check, rows, table};
use server::blocking::Who;
use server::endpoint::Prepared;
use server::leader::coordinates::CoordinateBatch;
use server::request::{
    Action, Cluster, Consistency, ErrorKind, Query, ReadMeta, ReadOptions, Request, RequestError, Response, Write,
};
use server::{Shared, blocking, endpoint};
use state::View;
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use super::connection::CallError;
use super::directory::Directory;
use super::figures;
use super::frame::Lane;
use super::limits;
use super::mesh::Authority;
use super::message::{self, Method};
use super::pool::{ConnectionPool, Target};
use super::router::{NO_PATH, to_request_error};
use super::transfer::Transfers;
use crate::login::Logins;
use crate::raft::duties::{AcceptedOffer, Offer, OfferAnswer};
use crate::raft::node::{LeaderState, NotDone, RaftNode, pause};
use crate::rates::Rates;
use crate::sessions::SessionClocks;
use crate::tokens::now;

/// One server. HTTP, DNS and the RPC listener share it.
pub struct LocalServer {
    pub(super) datacenter: String,
    pub(super) raft: RaftNode,
    shared: Shared,
    pool: ConnectionPool,
    directory: Directory,
    offer: Mutex<AcceptedOffer>,
    sessions: SessionClocks,
    transfers: Transfers,
    pub(super) guard: Guard,
    pub(super) logins: Logins,
    /// File in which an operator takes an ACL bootstrap back, by its index.
    pub(super) bootstrap_reset: Option<PathBuf>,
    hold: Duration,
    coordinates: Mutex<CoordinateBatch>,
    rates: Arc<Rates>,
    pub(super) authority: Authority,
}

/// How one try of a request ended.
pub(super) enum Try {
    /// This server cannot do it now, and nothing was changed.
    Again,
    /// Done, for better or worse.
    Done(Result<Response, RequestError>),
}

impl From<NotDone> for Try {
    fn from(not_done: NotDone) -> Self {
        match not_done {
            NotDone::NotLeader => Self::Again,
            NotDone::Failed(error) => Self::Done(Err(error)),
        }
    }
}

impl LocalServer {
    /// A server around its Raft node.
    #[must_use]
    pub fn new(datacenter: impl Into<String>, raft: RaftNode, pool: ConnectionPool, directory: Directory) -> Self {
        let (offer, transfers, coordinates) = (Mutex::default(), Transfers::default(), Mutex::default());
        let (datacenter, sessions) = (datacenter.into(), SessionClocks::default());
        let (guard, bootstrap_reset) = (Guard::new(Settings::off()), None);
        let (shared, authority) = (Shared::new(datacenter.clone()), Authority::default());
        Self {
            datacenter,
            raft,
            shared,
            pool,
            directory,
            offer,
            sessions,
            transfers,
            guard,
            logins: Logins::default(),
            bootstrap_reset,
            hold: limits::HOLD_TIMEOUT,
            coordinates,
            rates: Arc::default(),
            authority,
        }
    }

    /// The same server with other clocks of sessions.
    #[must_use]
    pub fn with_sessions(self, sessions: SessionClocks) -> Self {
        Self { sessions, ..self }
    }

    /// The same server that holds requests for another time while there is no leader (`performance.rpc_hold_timeout`).
    #[must_use]
    pub fn with_hold(self, hold: Duration) -> Self {
        Self { hold, ..self }
    }

    /// The same server with limits on what is asked of it.
    #[must_use]
    pub fn with_rates(self, rates: Arc<Rates>) -> Self {
        Self { rates, ..self }
    }

    /// Its clocks of sessions and locks.
    #[must_use]
    pub fn sessions(&self) -> &SessionClocks {
        &self.sessions
    }

    /// The same server with access control. `bootstrap_reset` is the file in which an operator takes a bootstrap back.
    #[must_use]
    pub fn with_acls(self, guard: Guard, bootstrap_reset: Option<PathBuf>) -> Self {
        Self { guard, bootstrap_reset, ..self }
    }

    /// The same server, which keeps the mesh's certificate authority if that is `enabled`.
    #[must_use]
    pub fn with_mesh(self, enabled: bool) -> Self {
        Self { authority: Authority::new(enabled), ..self }
    }

    /// Who shows a secret, as far as this server knows.
    ///
    /// # Errors
    /// When the secret belongs to no token.
    pub fn caller(&self, token: &Token) -> Result<Caller, RequestError> {
        self.guard.caller(&self.raft.reader().load(), token, now())
    }

    /// Answers a request of this server itself: it shows what servers show each other.
    ///
    /// # Errors
    /// As [`LocalServer::call`].
    pub async fn call_trusted(&self, mut request: Request) -> Result<Response, RequestError> {
        request.token = self.raft.reader().load().server_secret().cloned().unwrap_or_default();
        self.answer(request).await
    }

    /// The directory of servers that it dials from.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Its connections to other servers.
    #[must_use]
    pub fn pool(&self) -> &ConnectionPool {
        &self.pool
    }

    /// Archives that it sends or receives.
    pub(crate) fn transfers(&self) -> &Transfers {
        &self.transfers
    }

    /// Answers the offer to begin a cluster.
    ///
    /// # Errors
    /// When Raft has stopped.
    pub(crate) async fn answer_offer(&self, offer: &Offer) -> Result<OfferAnswer, RequestError> {
        let is_initialized = self.raft.is_initialized().await?;
        let mut accepted = self.offer.lock().unwrap_or_else(PoisonError::into_inner);
        let accepts = !is_initialized && accepted.accept(offer, Instant::now());
        Ok(OfferAnswer { is_initialized, accepts })
    }

    /// Its Raft node.
    #[must_use]
    pub fn raft(&self) -> &RaftNode {
        &self.raft
    }

    /// Answers a request, at the leader if need be. While there is no leader it is held for seven seconds.
    ///
    /// # Errors
    /// The failure with the exact text for the client.
    pub async fn call(&self, request: Request) -> Result<Response, RequestError> {
        self.rates.before_answering(&request)?;
        self.answer(request).await
    }

    async fn answer(&self, request: Request) -> Result<Response, RequestError> {
        figures::received(&request);
        self.check_datacenter(&request)?;
        acl::check_enabled(self.guard.settings(), &request.action)?;
        if let Some(response) = self.answer_as_any_server(&request).await {
            return response;
        }
        let payload = message::encode(&request);
        let limit = message::time_limit(&request);
        let may_repeat = message::is_read(&request);
        let give_up = Instant::now() + self.hold;
        let mut leadership = self.raft.leadership();
        let mut tries = 0;
        loop {
            let leader = leadership.borrow_and_update().clone();
            let tried = match &leader.leader {
                _ if leader.is_local => self.try_as_leader(&request).await,
                Some((id, _)) => self.try_at_leader(id, payload.clone(), limit, may_repeat).await,
                None => Try::Again,
            };
            if let Try::Done(response) = tried {
                return response;
            }
            if Instant::now() >= give_up {
                return Err(RequestError::no_leader());
            }
            wait_for_change(&mut leadership, leader.leader.is_some(), tries, give_up).await;
            tries += 1;
        }
    }

    /// Answers a request that another server sent on, because it holds this one for the leader. It is not sent on again:
    /// two servers of different opinion would play ball with it.
    ///
    /// # Errors
    /// As [`LocalServer::call`]; [`ErrorKind::NoLeader`] at once when this server does not lead.
    pub async fn call_forwarded(&self, request: Request) -> Result<Response, RequestError> {
        figures::received(&request);
        self.check_datacenter(&request)?;
        acl::check_enabled(self.guard.settings(), &request.action)?;
        if !self.raft.leadership().borrow().is_local {
            return Err(RequestError::no_leader());
        }
        match self.try_as_leader(&request).await {
            Try::Done(response) => response,
            Try::Again => Err(RequestError::no_leader()),
        }
    }

    fn check_datacenter(&self, request: &Request) -> Result<(), RequestError> {
        if request.datacenter.is_empty() || request.datacenter == self.datacenter {
            return Ok(());
        }
        Err(RequestError::new(ErrorKind::Failed, NO_PATH))
    }

    /// The answer, when any server may give it.
    async fn answer_as_any_server(&self, request: &Request) -> Option<Result<Response, RequestError>> {
        match &request.action {
            Action::Read(options, query) if options.consistency == Consistency::Stale => {
                let contact = self.raft.last_contact_ms().unwrap_or(u64::MAX);
                if options.max_stale_ms.is_some_and(|max| contact > max) {
                    return None;
                }
                match self.read(&request.token, options, query.clone(), Consistency::Stale).await {
                    // A token may be newer than what this server has: the leader knows.
                    Err(error) if error == acl::not_found() && !self.raft.leadership().borrow().is_local => None,
                    response => Some(response),
                }
            }
            Action::Read(..) | Action::Write(_) => None,
            Action::Cluster(cluster) => match cluster {
                Cluster::Leader => {
                    let leader = self.raft.leadership().borrow().leader.clone();
                    Some(Ok(Response::Leader(leader.map(|(_, address)| address.to_string()).unwrap_or_default())))
                }
                Cluster::Peers => {
                    let servers = self.raft.configuration().servers.into_iter().filter(|server| server.voter);
                    Some(Ok(Response::Names(servers.map(|server| server.address).collect())))
                }
                Cluster::RaftConfiguration { stale: true } => {
                    let checked = self.check_cluster(&request.token, cluster);
                    Some(checked.map(|()| Response::RaftConfiguration(self.raft.configuration())))
                }
                Cluster::Datacenters => Some(Ok(Response::Names(vec![self.datacenter.clone()]))),
                Cluster::SaveSnapshot { stale: true } => {
                    let checked = self.check_cluster(&request.token, cluster);
                    Some(checked.and_then(|()| self.begin_save(Consistency::Stale)))
                }
                Cluster::AutopilotConfig { stale: true } => {
                    let checked = self.check_cluster(&request.token, cluster);
                    Some(checked.map(|()| Response::AutopilotConfig(self.autopilot_config())))
                }
                Cluster::Usage { stale: true } => {
                    let checked = self.check_cluster(&request.token, cluster);
                    Some(checked.map(|()| self.usage(Consistency::Stale)))
                }
                Cluster::AutopilotConfig { stale: false }
                | Cluster::Usage { stale: false }
                | Cluster::AutopilotHealth
                | Cluster::AutopilotState => None,
                Cluster::DatacenterCoordinates => {
                    let view = self.raft.reader().load();
                    let datacenters = endpoint::datacenter_coordinates(&view, &self.datacenter);
                    Some(Ok(Response::DatacenterCoordinates(datacenters)))
                }
                Cluster::SaveSnapshot { stale: false }
                | Cluster::RestoreSnapshot
                | Cluster::RaftConfiguration { stale: false }
                | Cluster::RemovePeer { .. }
                | Cluster::TransferLeader { .. }
                | Cluster::SignCertificate { .. }
                | Cluster::RenewSession { .. } => None,
            },
        }
    }

    async fn try_as_leader(&self, request: &Request) -> Try {
        match &request.action {
            Action::Read(options, query) => self.try_read(&request.token, options, query.clone()).await,
            Action::Write(write) => self.try_write(&request.token, write).await,
            Action::Cluster(cluster) => match Box::pin(self.change_cluster(&request.token, cluster)).await {
                Ok(response) => Try::Done(Ok(response)),
                Err(not_done) => not_done.into(),
            },
        }
    }

    async fn try_read(&self, token: &Token, options: &ReadOptions, query: Query) -> Try {
        // A stale read gets here when this server is too far behind for it.
        let consistency = match options.consistency {
            Consistency::Consistent => Consistency::Consistent,
            Consistency::Default | Consistency::Stale => Consistency::Default,
        };
        let started = std::time::Instant::now();
        if let Err(not_done) = self.raft.ready_to_read(consistency).await {
            return not_done.into();
        }
        figures::ready(consistency, started);
        if options.min_index == 0 {
            return Try::Done(self.read(token, options, query, consistency).await);
        }
        // A server that lost the leadership may be cut off from all changes: the new leader must be asked instead.
        let mut leadership = self.raft.leadership();
        tokio::select! {
            response = self.read(token, options, query, consistency) => Try::Done(response),
            _ = leadership.wait_for(|state| !state.is_local) => Try::Again,
        }
    }

    async fn read(
        &self,
        token: &Token,
        options: &ReadOptions,
        query: Query,
        done: Consistency,
    ) -> Result<Response, RequestError> {
        let who = Who { guard: &self.guard, token, now };
        let random = rand::random();
        let sleep = tokio::time::sleep;
        let session = if let Query::Session { id } = &query { Some(id.clone()) } else { None };
        let _waiting = (options.min_index > 0).then(figures::Waiting::new);
        let reading = blocking::read(self.raft.reader(), &self.shared, who, options, query, random, sleep).await?;
        let meta = ReadMeta {
            index: reading.index,
            known_leader: self.raft.leadership().borrow().leader.is_some(),
            last_contact_ms: self.raft.last_contact_ms().unwrap_or(0),
            consistency: done,
            fencing_token: reading.fencing_token,
            session_ttl_ms: session.and_then(|id| self.sessions.remaining_ms(self.leading_term()?, &id)),
        };
        Ok(Response::Read(meta, reading.body))
    }

    /// The commands for the coordinates that came since the last call.
    pub fn take_coordinates(&self) -> Vec<state::Command> {
        self.coordinates.lock().unwrap_or_else(PoisonError::into_inner).take(&self.raft.reader().load())
    }

    async fn try_write(&self, token: &Token, write: &Write) -> Try {
        // What is decided with this view is checked again when it is applied, as far as it matters.
        if let Write::Acl(write) = write {
            return Box::pin(self.try_acl_write(token, write)).await;
        }
        if let Err(error) = self.authority.check_write(write) {
            return Try::Done(Err(error));
        }
        let leading = self.sessions.leading(&self.datacenter);
        let prepare = |view: &View| {
            let caller = self.guard.caller(view, token, now())?;
            table::check_write(view, &caller, write)?;
            let refused = match write {
                Write::Txn(operations) => check::txn(view, &caller, operations),
                _ => TxnAnswer::default(),
            };
            if !refused.errors.is_empty() {
                return Ok((caller, Prepared::Answer(Response::Txn(refused))));
            }
            endpoint::prepare_write(view, write, &leading).map(|prepared| (caller, prepared))
        };
        let prepared = prepare(&self.raft.reader().load());
        let (caller, command) = match prepared {
            Ok((caller, Prepared::Propose(command))) => (caller, command),
            Ok((_, Prepared::Answer(response))) => return self.answer_as_leader(response).await,
            Err(error) => return Try::Done(Err(error)),
        };
        if let Write::Coordinate(coordinate) = write {
            // Checked like any write, and proposed later with those of other nodes.
            self.coordinates.lock().unwrap_or_else(PoisonError::into_inner).push(coordinate.clone());
            return Try::Done(Ok(Response::Written(true)));
        }
        let started = std::time::Instant::now();
        let proposed = self.raft.propose(command.into()).await;
        figures::written(write, started);
        match proposed {
            Ok(outcome) => {
                let mut finished = endpoint::finish_write(outcome);
                if let Ok(Response::Txn(answer)) = &mut finished {
                    rows::keep_visible_results(&caller, answer);
                }
                if let (Ok(_), Write::SessionCreate(session), Some(term)) = (&finished, write, self.leading_term()) {
                    self.sessions.renew(term, session);
                }
                Try::Done(finished)
            }
            Err(not_done) => not_done.into(),
        }
    }

    /// An answer without a proposal; it holds only if this server leads still.
    async fn answer_as_leader(&self, response: Response) -> Try {
        match self.raft.ready_to_read(Consistency::Default).await {
            Ok(()) => Try::Done(Ok(response)),
            Err(not_done) => not_done.into(),
        }
    }

    /// The term of this server's leadership.
    fn leading_term(&self) -> Option<u64> {
        let leadership = self.raft.leadership();
        let state = leadership.borrow();
        state.is_local.then_some(state.term)
    }

    async fn renew_session(&self, id: &SessionId) -> Result<Response, NotDone> {
        endpoint::check_session_id(id).map_err(NotDone::Failed)?;
        self.raft.ready_to_read(Consistency::Default).await?;
        let session = self.raft.reader().load().session(id).cloned();
        let term = self.leading_term().ok_or(NotDone::NotLeader)?;
        Ok(Response::Renewed(session.filter(|session| self.sessions.renew(term, session))))
    }

    pub(super) fn check_cluster(&self, token: &Token, cluster: &Cluster) -> Result<(), RequestError> {
        let view = self.raft.reader().load();
        table::check_cluster(&view, &self.guard.caller(&view, token, now())?, cluster)
    }

    async fn change_cluster(&self, token: &Token, cluster: &Cluster) -> Result<Response, NotDone> {
        // A new leader must have heard of all tokens before it asks for one.
        self.raft.ready_to_read(Consistency::Default).await?;
        self.check_cluster(token, cluster).map_err(NotDone::Failed)?;
        match cluster {
            Cluster::RaftConfiguration { .. } => Ok(Response::RaftConfiguration(self.raft.configuration())),
            Cluster::RemovePeer { id, address } => {
                let id = self.find_peer(id, address).map_err(NotDone::Failed)?;
                self.raft.remove(id).await.map(|()| Response::Done)
            }
            Cluster::TransferLeader { id } => {
                let to = if id.is_empty() { None } else { Some(parse_id(id).map_err(NotDone::Failed)?) };
                self.raft.transfer_leader(to).await.map(|()| Response::Done)
            }
            Cluster::RenewSession { id } => self.renew_session(id).await,
            Cluster::SignCertificate { request } => Box::pin(self.sign(request)).await.map_err(NotDone::Failed),
            Cluster::AutopilotConfig { .. }
            | Cluster::AutopilotHealth
            | Cluster::AutopilotState
            | Cluster::Usage { .. } => {
                self.raft.ready_to_read(Consistency::Default).await?;
                Ok(self.autopilot_answer(cluster))
            }
            Cluster::SaveSnapshot { .. } => {
                self.raft.ready_to_read(Consistency::Consistent).await?;
                self.begin_save(Consistency::Consistent).map_err(NotDone::Failed)
            }
            Cluster::RestoreSnapshot => {
                self.raft.ready_to_read(Consistency::Default).await?;
                self.begin_restore().map_err(NotDone::Failed)
            }
            Cluster::Leader | Cluster::Peers | Cluster::Datacenters | Cluster::DatacenterCoordinates => {
                Err(NotDone::NotLeader)
            }
        }
    }

    /// The member of the Raft configuration of an id or an address.
    fn find_peer(&self, id: &ServerId, address: &str) -> Result<Uuid, RequestError> {
        let servers = self.raft.configuration().servers;
        let found =
            servers.iter().find(|server| if id.is_empty() { server.address == address } else { server.id == *id });
        match found {
            Some(server) => parse_id(&server.id),
            None if id.is_empty() => {
                Err(failed(format!("address \"{address}\" was not found in the Raft configuration")))
            }
            None => Err(failed(format!("id \"{id}\" was not found in the Raft configuration"))),
        }
    }

    async fn try_at_leader(&self, leader: &ServerId, payload: Bytes, limit: Duration, may_repeat: bool) -> Try {
        let Some(address) = self.directory.address(leader) else { return Try::Again };
        let target = Target { address, server: Uuid::parse_str(leader).ok(), lane: Lane::Requests };
        match self.pool.call(target, Method::Forwarded as u8, payload, limit).await {
            Ok(answer) => match message::decode_answer(&answer) {
                Err(error) if error.kind == ErrorKind::NoLeader => Try::Again,
                response => Try::Done(response),
            },
            Err(CallError::NotSent(_) | CallError::Refused) => Try::Again,
            Err(CallError::Lost(_)) if may_repeat => Try::Again,
            Err(error) => Try::Done(Err(to_request_error(&error))),
        }
    }
}

/// Waits until there is another leader, or for a short while when the one there is may just not be ready.
async fn wait_for_change(
    leadership: &mut watch::Receiver<LeaderState>,
    has_leader: bool,
    tries: u32,
    give_up: Instant,
) {
    let pause = async { if has_leader { pause(tries).await } else { tokio::time::sleep_until(give_up).await } };
    tokio::select! {
        () = pause => {}
        // When the sender is gone Raft has stopped, and the pause keeps this from spinning.
        Ok(()) = leadership.changed() => {}
    }
}

fn parse_id(id: &str) -> Result<Uuid, RequestError> {
    Uuid::parse_str(id).map_err(|_| failed(format!("\"{id}\" is not the id of a server: it must be a UUID")))
}

fn failed(text: String) -> RequestError {
    RequestError::new(ErrorKind::Failed, text)
}

/// Hands the calls of the RPC listener to a server. Cloning shares it.
#[derive(Clone)]
pub struct Service(pub Arc<LocalServer>);

impl super::listener::Handler for Service {
    fn is_for_servers(&self, method: u8) -> bool {
        Method::from_byte(method).is_some_and(Method::is_for_servers)
    }

    fn handle(&self, lane: Lane, method: u8, payload: Bytes) -> super::listener::Answer {
        let server = self.0.clone();
        let method = Method::from_byte(method);
        Box::pin(async move {
            match (lane, method) {
                (Lane::Requests, Some(Method::Request)) => match message::decode(&payload) {
                    Ok(request) => message::encode(&server.call(request).await),
                    Err(error) => unreadable(&error),
                },
                (Lane::Requests, Some(Method::Forwarded)) => match message::decode(&payload) {
                    Ok(request) => message::encode(&server.call_forwarded(request).await),
                    Err(error) => unreadable(&error),
                },
                (Lane::Requests, Some(Method::Offer)) => match message::decode(&payload) {
                    Ok(offer) => message::encode(&server.answer_offer(&offer).await),
                    Err(error) => unreadable(&error),
                },
                (Lane::Requests, Some(Method::Pull)) => match message::decode(&payload) {
                    Ok(pull) => message::encode(&server.pull(pull).await),
                    Err(error) => unreadable(&error),
                },
                (Lane::Requests, Some(Method::Push)) => match message::decode(&payload) {
                    Ok(push) => message::encode(&server.push(push).await),
                    Err(error) => unreadable(&error),
                },
                (Lane::Entries | Lane::Heartbeats | Lane::Snapshots, Some(method)) => {
                    server.raft().inbound().handle(method, payload).await
                }
                (_, _) => unreadable(&"this server does not know the method"),
            }
        })
    }
}

fn unreadable(cause: &dyn std::fmt::Display) -> Bytes {
    let error = RequestError::new(ErrorKind::BadRequest, format!("unreadable request: {cause}"));
    message::encode(&Err::<Response, RequestError>(error))
}
