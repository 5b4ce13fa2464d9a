//! `/v1/acl`: tokens, policies, roles, auth methods and binding rules. The servers check and complete; here is what the
//! API wants of paths and bodies.

use http::StatusCode;
use model::{Json, Token, parse_nanos};
use serde::de::DeserializeOwned;
use server::acl::{AclQuery, AclWrite, Login};
use server::request::{Action, Body, Query, Response, Write};

use super::decode::{Shape, Struct, Unknown, decode, field};
use super::extract::{Call, unexpected};
use super::reply::{Answer, Failure, Reply};

/// The routes of the family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Route {
    /// Make the first token.
    Bootstrap,
    /// Make a token for who proves an identity.
    Login,
    /// Where a person logs in.
    OidcUrl,
    /// A person comes back.
    OidcCallback,
    /// Delete the caller's token.
    Logout,
    /// How copying from the primary datacenter goes.
    Replication,
    /// Which rule decides.
    Explain,
    /// New rules of old ones.
    Translate,
    /// New rules of an old token.
    TranslateToken,
    /// List.
    List(Noun),
    /// Make.
    Create(Noun),
    /// One by id.
    Read(Noun),
    /// One by name.
    ReadByName(Noun),
    /// Replace.
    Update(Noun),
    /// Delete.
    Delete(Noun),
    /// The caller's own token.
    TokenSelf,
    /// The first ACL system: make or replace a token.
    LegacySet,
    /// Replace a token.
    LegacyUpdate,
    /// Copy a token.
    LegacyClone,
    /// Delete a token.
    LegacyDestroy,
    /// One token.
    LegacyInfo,
    /// All tokens.
    LegacyList,
}

/// What there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Noun {
    /// Tokens.
    Token,
    /// Policies.
    Policy,
    /// Roles.
    Role,
    /// Binding rules.
    BindingRule,
    /// Auth methods.
    AuthMethod,
}

impl Noun {
    /// The word of messages about bodies.
    fn in_bodies(self) -> &'static str {
        match self {
            Self::Token => "Token",
            Self::Policy => "Policy",
            Self::Role => "Role",
            Self::BindingRule => "BindingRule",
            Self::AuthMethod => "AuthMethod",
        }
    }

    /// What is missing when the path names nothing.
    fn missing(self) -> &'static str {
        match self {
            Self::Token => "Bad request: Missing token ID",
            Self::Policy => "Bad request: Missing policy ID",
            Self::Role => "Bad request: Missing role ID",
            Self::BindingRule => "Bad request: Missing binding rule ID",
            Self::AuthMethod => "Bad request: Missing auth method name",
        }
    }

    fn shape(self) -> &'static Struct {
        match self {
            Self::Token => &TOKEN,
            Self::Policy => &POLICY,
            Self::Role => &ROLE,
            Self::BindingRule => &BINDING_RULE,
            Self::AuthMethod => &AUTH_METHOD,
        }
    }
}

const fn shape(fields: &'static [super::decode::Field]) -> Struct {
    Struct { type_name: "", fields, unknown: Unknown::RefusePlainly, opaque: false, finish: None }
}

static LINK: Struct = shape(&[field("ID", Shape::TEXT), field("Name", Shape::TEXT)]);
static SERVICE: Struct = shape(&[field("ServiceName", Shape::TEXT), field("Datacenters", Shape::TEXTS)]);
static NODE: Struct = shape(&[field("NodeName", Shape::TEXT), field("Datacenter", Shape::TEXT)]);
static TOKEN: Struct = shape(&[
    field("AccessorID", Shape::TEXT),
    field("SecretID", Shape::TEXT),
    field("Description", Shape::TEXT),
    field("Policies", Shape::List("[]structs.ACLTokenPolicyLink", &Shape::Struct(&LINK))),
    field("Roles", Shape::List("[]structs.ACLTokenRoleLink", &Shape::Struct(&LINK))),
    field("ServiceIdentities", Shape::List("[]*structs.ACLServiceIdentity", &Shape::Struct(&SERVICE))),
    field("NodeIdentities", Shape::List("[]*structs.ACLNodeIdentity", &Shape::Struct(&NODE))),
    field("Local", Shape::Bool),
    field("AuthMethod", Shape::TEXT),
    field("ExpirationTime", Shape::Any),
    field("ExpirationTTL", Shape::Any),
    field("CreateTime", Shape::Any),
    field("Hash", Shape::Any),
    field("Rules", Shape::Any),
    field("CreateIndex", Shape::Any),
    field("ModifyIndex", Shape::Any),
]);
static POLICY: Struct = shape(&[
    field("ID", Shape::TEXT),
    field("Name", Shape::TEXT),
    field("Description", Shape::TEXT),
    field("Rules", Shape::TEXT),
    field("Datacenters", Shape::TEXTS),
    field("Hash", Shape::Any),
    field("CreateIndex", Shape::Any),
    field("ModifyIndex", Shape::Any),
]);
static ROLE: Struct = shape(&[
    field("ID", Shape::TEXT),
    field("Name", Shape::TEXT),
    field("Description", Shape::TEXT),
    field("Policies", Shape::List("[]structs.ACLRolePolicyLink", &Shape::Struct(&LINK))),
    field("ServiceIdentities", Shape::List("[]*structs.ACLServiceIdentity", &Shape::Struct(&SERVICE))),
    field("NodeIdentities", Shape::List("[]*structs.ACLNodeIdentity", &Shape::Struct(&NODE))),
    field("Hash", Shape::Any),
    field("CreateIndex", Shape::Any),
    field("ModifyIndex", Shape::Any),
]);
static BINDING_RULE: Struct = shape(&[
    field("ID", Shape::TEXT),
    field("Description", Shape::TEXT),
    field("AuthMethod", Shape::TEXT),
    field("Selector", Shape::TEXT),
    field("BindType", Shape::TEXT),
    field("BindName", Shape::TEXT),
    field("CreateIndex", Shape::Any),
    field("ModifyIndex", Shape::Any),
]);
static AUTH_METHOD: Struct = shape(&[
    field("Name", Shape::TEXT),
    field("Type", Shape::TEXT),
    field("DisplayName", Shape::TEXT),
    field("Description", Shape::TEXT),
    field("MaxTokenTTL", Shape::TEXT),
    field("TokenLocality", Shape::TEXT),
    field("Config", Shape::Any),
    field("CreateIndex", Shape::Any),
    field("ModifyIndex", Shape::Any),
]);
static LEGACY: Struct = shape(&[
    field("ID", Shape::TEXT),
    field("Name", Shape::TEXT),
    field("Type", Shape::TEXT),
    field("Rules", Shape::TEXT),
    field("CreateIndex", Shape::Any),
    field("ModifyIndex", Shape::Any),
]);
static LOGIN: Struct = shape(&[
    field("AuthMethod", Shape::TEXT),
    field("BearerToken", Shape::TEXT),
    field("Meta", Shape::Map("map[string]string", &Shape::TEXT)),
]);
static OIDC_URL: Struct = shape(&[
    field("AuthMethod", Shape::TEXT),
    field("RedirectURI", Shape::TEXT),
    field("ClientNonce", Shape::TEXT),
    field("Meta", Shape::Map("map[string]string", &Shape::TEXT)),
]);
static OIDC_CALLBACK: Struct = shape(&[
    field("AuthMethod", Shape::TEXT),
    field("State", Shape::TEXT),
    field("Code", Shape::TEXT),
    field("ClientNonce", Shape::TEXT),
]);
static BOOTSTRAP: Struct = shape(&[field("BootstrapSecret", Shape::TEXT)]);
static SET: Struct = shape(&[field("Token", Shape::TEXT)]);

/// Answers any route of the family.
pub async fn answer(call: &mut Call<'_>, route: Route) -> Answer {
    if !call.state.rights.is_enabled() {
        return Err(disabled());
    }
    let tail = String::from_utf8_lossy(call.tail).into_owned();
    let text = |key: &str| call.query.text(key).to_owned();
    match route {
        Route::Bootstrap => {
            let secret = match call.take_body().await?.as_ref() {
                [] => Token::default(),
                body => Token::new(text_of(&read(body, &BOOTSTRAP, "Bootstrap")?, "BootstrapSecret")),
            };
            write(call, AclWrite::Bootstrap { secret }).await
        }
        Route::Login | Route::OidcUrl | Route::OidcCallback => login(call, route).await,
        Route::Logout => write(call, AclWrite::Logout).await,
        Route::Replication => replication(),
        Route::Explain => {
            let (resource, name, level) = (text("resource"), text("name"), text("access"));
            query(call, AclQuery::Explain { resource, name, level }).await
        }
        Route::Translate => {
            call.caller().await?.require(acl::Resource::Acl, "", acl::Level::Read)?;
            let body = call.take_body().await?;
            let rules = acl::translate(&String::from_utf8_lossy(&body));
            Ok(Reply::text(StatusCode::OK, rules.map_err(|error| Failure::bad_request(error.to_string()))?))
        }
        Route::TranslateToken => match ask(call, AclQuery::Translated { accessor: tail }).await?.1 {
            Json::String(rules) => Ok(Reply::text(StatusCode::OK, rules)),
            other => Reply::json_of(&other),
        },
        Route::TokenSelf => query(call, AclQuery::TokenSelf).await,
        Route::LegacyInfo => query(call, AclQuery::LegacyInfo { secret: tail }).await,
        Route::LegacyList => query(call, AclQuery::LegacyList).await,
        Route::LegacyClone => write(call, AclWrite::LegacyClone { secret: Token::new(tail) }).await,
        Route::LegacyDestroy => write(call, AclWrite::LegacyDestroy { secret: Token::new(tail) }).await,
        Route::LegacySet | Route::LegacyUpdate => legacy_set(call, route).await,
        Route::List(noun) => list(call, noun).await,
        Route::Read(noun) => one(call, noun, tail).await,
        Route::ReadByName(Noun::Role) => query(call, AclQuery::RoleByName { name: tail }).await,
        Route::ReadByName(_) => query(call, AclQuery::PolicyByName { name: tail }).await,
        Route::Create(noun) => put(call, noun, None).await,
        Route::Update(Noun::Token) if tail.ends_with("/clone") => clone(call, tail.trim_end_matches("/clone")).await,
        Route::Update(noun) => {
            named(noun, &tail)?;
            put(call, noun, Some(tail)).await
        }
        Route::Delete(noun) => delete(call, noun, tail).await,
    }
}

async fn login(call: &mut Call<'_>, route: Route) -> Answer {
    let body = call.take_body().await?;
    let shape = match route {
        Route::OidcUrl => &OIDC_URL,
        Route::OidcCallback => &OIDC_CALLBACK,
        _ => &LOGIN,
    };
    let given = decode(&body, shape)
        .map_err(|error| Failure::bad_request(format!("Bad request: Failed to decode request body: {error}")))?;
    let text = |key: &str| text_of(&given, key);
    let pairs = given["Meta"].as_object().into_iter().flatten();
    let meta = pairs.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect();
    let auth_method = text("AuthMethod");
    let asked = match route {
        Route::OidcUrl => {
            Login::OidcUrl { auth_method, redirect_uri: text("RedirectURI"), client_nonce: text("ClientNonce"), meta }
        }
        Route::OidcCallback => {
            let (state, code) = (text("State"), Token::new(text("Code")));
            Login::OidcCallback { auth_method, state, code, client_nonce: text("ClientNonce") }
        }
        _ => Login::Bearer { auth_method, bearer: Token::new(text("BearerToken")), meta },
    };
    write(call, AclWrite::Login(asked)).await
}

fn disabled() -> Failure {
    Failure::new(StatusCode::UNAUTHORIZED, "ACL support disabled")
}

fn named(noun: Noun, tail: &str) -> Result<(), Failure> {
    if tail.is_empty() { Err(Failure::bad_request(noun.missing())) } else { Ok(()) }
}

/// This datacenter copies from none.
fn replication() -> Answer {
    const NEVER: &str = "0001-01-01T00:00:00Z";
    Reply::json_of(&serde_json::json!({
        "Enabled": false, "Running": false, "SourceDatacenter": "", "ReplicationType": "", "ReplicatedIndex": 0,
        "ReplicatedRoleIndex": 0, "ReplicatedTokenIndex": 0, "LastSuccess": NEVER, "LastError": NEVER,
    }))
}

async fn ask(call: &Call<'_>, query: AclQuery) -> Result<(server::request::ReadMeta, Json), Failure> {
    let options = call.read_options()?;
    match call.read(options, Query::Acl(query)).await? {
        (meta, Body::Json { json, .. }) => {
            let json = serde_json::from_slice(&json).map_err(|error| Failure::internal(error.to_string()))?;
            Ok((meta, json))
        }
        (_, Body::Rows(_)) => Err(Failure::internal("unexpected rows from the server in place of JSON")),
    }
}

async fn query(call: &Call<'_>, query: AclQuery) -> Answer {
    let options = call.read_options()?;
    match call.read(options, Query::Acl(query)).await? {
        (meta, Body::Json { found: true, json }) => Ok(Reply::json(json).with_read(&meta)),
        (meta, Body::Json { found: false, .. }) => Ok(Reply::empty(StatusCode::NOT_FOUND).with_read(&meta)),
        (_, Body::Rows(_)) => Err(Failure::internal("unexpected rows from the server in place of JSON")),
    }
}

async fn write(call: &Call<'_>, write: AclWrite) -> Answer {
    match call.ask(Action::Write(Write::Acl(write))).await? {
        Response::Json(json) => Ok(Reply::json(json)),
        other => Err(unexpected(&other)),
    }
}

async fn list(call: &Call<'_>, noun: Noun) -> Answer {
    let text = |key: &str| call.query.text(key).to_owned();
    let question = match noun {
        Noun::Token => AclQuery::Tokens { policy: text("policy"), role: text("role"), auth_method: text("authmethod") },
        Noun::Policy => AclQuery::Policies,
        Noun::Role => AclQuery::Roles { policy: text("policy") },
        Noun::BindingRule => AclQuery::BindingRules { auth_method: text("authmethod") },
        Noun::AuthMethod => AclQuery::AuthMethods,
    };
    query(call, question).await
}

async fn one(call: &Call<'_>, noun: Noun, id: String) -> Answer {
    named(noun, &id)?;
    let question = match noun {
        Noun::Token => AclQuery::Token { accessor: id },
        Noun::Policy => AclQuery::Policy { id },
        Noun::Role => AclQuery::Role { id },
        Noun::BindingRule => AclQuery::BindingRule { id },
        Noun::AuthMethod => AclQuery::AuthMethod { name: id },
    };
    query(call, question).await
}

async fn delete(call: &Call<'_>, noun: Noun, id: String) -> Answer {
    named(noun, &id)?;
    let change = match noun {
        Noun::Token => AclWrite::DeleteToken { accessor: id },
        Noun::Policy => AclWrite::DeletePolicy { id },
        Noun::Role => AclWrite::DeleteRole { id },
        Noun::BindingRule => AclWrite::DeleteBindingRule { id },
        Noun::AuthMethod => AclWrite::DeleteAuthMethod { name: id },
    };
    write(call, change).await
}

async fn clone(call: &mut Call<'_>, accessor: &str) -> Answer {
    let body = call.take_body().await?;
    let given = if body.is_empty() { Json::Null } else { read(&body, &TOKEN, "Token")? };
    let description = text_of(&given, "Description");
    write(call, AclWrite::CloneToken { accessor: accessor.to_owned(), description }).await
}

fn read(body: &[u8], shape: &'static Struct, what: &str) -> Result<Json, Failure> {
    decode(body, shape).map_err(|error| Failure::bad_request(format!("Bad request: {what} decoding failed: {error}")))
}

fn text_of(given: &Json, key: &str) -> String {
    given[key].as_str().unwrap_or_default().to_owned()
}

/// What the servers decide by themselves.
const DECIDED: [&str; 4] = ["CreateTime", "Hash", "CreateIndex", "ModifyIndex"];

async fn put(call: &mut Call<'_>, noun: Noun, id: Option<String>) -> Answer {
    let body = call.take_body().await?;
    let mut given = read(&body, noun.shape(), noun.in_bodies())?;
    let id_key = match noun {
        Noun::Token => "AccessorID",
        Noun::Policy | Noun::Role | Noun::BindingRule => "ID",
        Noun::AuthMethod => "Name",
    };
    let own = text_of(&given, id_key);
    let ttl = match &given["ExpirationTTL"] {
        Json::String(text) => parse_nanos(text).map_err(|error| decoding_failed(noun, &error.to_string()))?,
        Json::Number(nanos) => nanos.as_i64().unwrap_or_default(),
        _ => 0,
    };
    if let Json::String(text) = &given["MaxTokenTTL"] {
        parse_nanos(text).map_err(|error| decoding_failed(noun, &error.to_string()))?;
    }
    if let Some(fields) = given.as_object_mut() {
        DECIDED.iter().chain(&["ExpirationTTL"]).for_each(|key| drop(fields.remove(*key)));
        if noun == Noun::Token {
            fields.remove("Rules");
        }
        if let Some(id) = &id {
            if !own.is_empty() && own != *id {
                let what = match noun {
                    Noun::Token => "Token Accessor ID".to_owned(),
                    Noun::AuthMethod => "AuthMethod Name".to_owned(),
                    Noun::Policy | Noun::Role | Noun::BindingRule => format!("{} ID", noun.in_bodies()),
                };
                return Err(Failure::bad_request(format!("Bad request: {what} in URL and payload do not match")));
            }
            fields.insert(id_key.to_owned(), Json::String(id.clone()));
        } else if !own.is_empty() && noun == Noun::Policy {
            return Err(Failure::bad_request("Bad request: Cannot specify the ID when creating a new policy"));
        } else if !own.is_empty() && matches!(noun, Noun::Role | Noun::BindingRule) {
            let what = noun.in_bodies();
            return Err(Failure::bad_request(format!("Bad request: {what} ID in URL and payload do not match")));
        }
    }
    let change = match noun {
        Noun::Token if id.is_some() => AclWrite::UpdateToken { token: object(noun, given)?, ttl },
        Noun::Token => AclWrite::CreateToken { token: object(noun, given)?, ttl },
        Noun::Policy => AclWrite::Policy(object(noun, given)?),
        Noun::Role => AclWrite::Role(object(noun, given)?),
        Noun::BindingRule => AclWrite::BindingRule(object(noun, given)?),
        Noun::AuthMethod => AclWrite::AuthMethod(object(noun, given)?),
    };
    write(call, change).await
}

fn decoding_failed(noun: Noun, why: &str) -> Failure {
    Failure::bad_request(format!("Bad request: {} decoding failed: {why}", noun.in_bodies()))
}

fn object<T: DeserializeOwned>(noun: Noun, given: Json) -> Result<T, Failure> {
    serde_json::from_value(given).map_err(|error| decoding_failed(noun, &error.to_string()))
}

async fn legacy_set(call: &mut Call<'_>, route: Route) -> Answer {
    let given: Json = call.take_json(&LEGACY).await?;
    if route == Route::LegacyUpdate && text_of(&given, "ID").is_empty() {
        return Err(Failure::bad_request("ACL ID must be set"));
    }
    let kind = text_of(&given, "Type");
    let is_management = match kind.as_str() {
        "management" => true,
        "client" | "" => false,
        _ => return Err(Failure::internal("Invalid ACL Type")),
    };
    let (secret, name, rules) = (Token::new(text_of(&given, "ID")), text_of(&given, "Name"), text_of(&given, "Rules"));
    write(call, AclWrite::LegacySet { secret, name, is_management, rules }).await
}

/// `PUT /v1/agent/token/:kind`
pub async fn set_agent_token(call: &mut Call<'_>) -> Answer {
    if !call.state.rights.is_enabled() {
        return Err(disabled());
    }
    let name = String::from_utf8_lossy(call.tail).into_owned();
    let given: Json = call.take_json(&SET).await?;
    let Some(kind) = crate::tokens::Kind::parse(&name) else {
        return Err(Failure::new(StatusCode::NOT_FOUND, format!("Token {name:?} is unknown")));
    };
    let set = call.state.rights.tokens().set(kind, Token::new(text_of(&given, "Token")));
    set.map_err(|error| Failure::internal(error.to_string()))?;
    call.state.agent.local.sync_now();
    Ok(Reply::empty(StatusCode::OK))
}
