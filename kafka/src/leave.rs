//! How a static member leaves its group for good (KIP-345).
//!
//! Static members send no LeaveGroup when they close, and librdkafka has no call for it. One request
//! with an empty member id and the instance id does it. It is sent over a socket of our own, with the
//! TLS and SASL (PLAIN, SCRAM) of the other clients. Where that is not enough (Kerberos, OAuth, keys
//! in other forms), the group waits for the session timeout instead.

mod connection;
mod scram;

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use kafka_protocol::messages::find_coordinator_request::FindCoordinatorRequest;
use kafka_protocol::messages::find_coordinator_response::FindCoordinatorResponse;
use kafka_protocol::messages::leave_group_request::{LeaveGroupRequest, MemberIdentity};
use kafka_protocol::messages::leave_group_response::LeaveGroupResponse;
use kafka_protocol::messages::sasl_authenticate_request::SaslAuthenticateRequest;
use kafka_protocol::messages::sasl_authenticate_response::SaslAuthenticateResponse;
use kafka_protocol::messages::sasl_handshake_request::SaslHandshakeRequest;
use kafka_protocol::messages::sasl_handshake_response::SaslHandshakeResponse;
use kafka_protocol::messages::{ApiKey, GroupId, RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, StrBytes};
use openssl::hash::MessageDigest;

use crate::classify::Site;
use crate::config::KafkaConfig;
use crate::error::{Error, ErrorKind, Result};
use crate::log::ConsumerOptions;
use connection::{Connection, Security};
use scram::Scram;

/// Versions that every broker since 2.4 and up to the newest speaks.
const FIND_COORDINATOR_VERSION: i16 = 3;
const LEAVE_GROUP_VERSION: i16 = 4;
const SASL_HANDSHAKE_VERSION: i16 = 1;
const SASL_AUTHENTICATE_VERSION: i16 = 1;
/// FindCoordinator's key type for groups.
const GROUP_KEY: i8 = 0;
/// Longest answer read: both are a few hundred bytes.
const ANSWER_LIMIT: usize = 64 << 10;
/// Pause between two tries.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Broker error codes that matter here (Kafka's protocol guide).
mod code {
    pub(super) const NONE: i16 = 0;
    pub(super) const COORDINATOR_LOAD_IN_PROGRESS: i16 = 14;
    pub(super) const COORDINATOR_NOT_AVAILABLE: i16 = 15;
    pub(super) const NOT_COORDINATOR: i16 = 16;
    pub(super) const UNKNOWN_MEMBER_ID: i16 = 25;
}

/// Takes the member out of the group, so that others get its tasks at once. Already being out is
/// success.
pub(crate) fn leave_group(
    config: &KafkaConfig,
    site: &Site,
    options: &ConsumerOptions,
) -> Result<()> {
    let security = match Security::of(config) {
        Ok(security) => security,
        Err(what) => {
            tracing::warn!(
                group = %options.group_id,
                instance = %options.instance_id,
                "leaving a group is not supported with {what}: the others get this member's tasks \
                 after the session timeout"
            );
            return Ok(());
        }
    };
    let deadline = Instant::now() + config.request_timeout;
    loop {
        let failure = match try_to_leave(config, &security, options, deadline) {
            Ok(()) => return Ok(()),
            Err(failure) => failure,
        };
        let again = !matches!(failure, Failure::Refused(_));
        if !again || Instant::now() + RETRY_PAUSE >= deadline {
            let message = match failure {
                Failure::Refused(code) => format!("Kafka refused it with error code {code}"),
                Failure::NotNow(code) => {
                    format!("the coordinator is not available (error code {code})")
                }
                Failure::Connection(error) => {
                    format!("could not reach Kafka at {}: {error}", site.servers)
                }
            };
            // Whatever it is: the session's end does the same a little later.
            let operation = format!("leave the group {}", options.group_id);
            return Err(Error::new(ErrorKind::Unavailable, operation, message));
        }
        std::thread::sleep(RETRY_PAUSE);
    }
}

/// Why one try failed.
enum Failure {
    /// For good.
    Refused(i16),
    /// The coordinator is moving or loading.
    NotNow(i16),
    /// No answer, or one that cannot be read.
    Connection(std::io::Error),
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Connection(error)
    }
}

fn check(code: i16) -> Result<(), Failure> {
    match code {
        code::NONE => Ok(()),
        code::COORDINATOR_LOAD_IN_PROGRESS
        | code::COORDINATOR_NOT_AVAILABLE
        | code::NOT_COORDINATOR => Err(Failure::NotNow(code)),
        code => Err(Failure::Refused(code)),
    }
}

fn try_to_leave(
    config: &KafkaConfig,
    security: &Security,
    options: &ConsumerOptions,
    deadline: Instant,
) -> Result<(), Failure> {
    let text = |text: &str| StrBytes::from_string(text.to_owned());
    let mut bootstrap = connect_to_any(&config.bootstrap_servers, security, deadline)?;
    authenticate(&mut bootstrap, security, options)?;
    let find = FindCoordinatorRequest::default()
        .with_key(text(&options.group_id))
        .with_key_type(GROUP_KEY);
    let found: FindCoordinatorResponse = ask(
        &mut bootstrap,
        ApiKey::FindCoordinator,
        FIND_COORDINATOR_VERSION,
        options,
        &find,
    )?;
    check(found.error_code)?;

    let port = u16::try_from(found.port).map_err(|_| invalid("the coordinator's port"))?;
    let mut coordinator = Connection::open(security, &found.host, port, deadline)?;
    authenticate(&mut coordinator, security, options)?;
    let member = MemberIdentity::default().with_group_instance_id(Some(text(&options.instance_id)));
    let leave = LeaveGroupRequest::default()
        .with_group_id(GroupId(text(&options.group_id)))
        .with_members(vec![member]);
    let left: LeaveGroupResponse = ask(
        &mut coordinator,
        ApiKey::LeaveGroup,
        LEAVE_GROUP_VERSION,
        options,
        &leave,
    )?;
    check(left.error_code)?;
    match left
        .members
        .first()
        .map_or(code::NONE, |member| member.error_code)
    {
        // It was out already: its session had ended, or an earlier try got through.
        code::UNKNOWN_MEMBER_ID => Ok(()),
        code => check(code),
    }
}

/// Says who we are, if the cluster wants to know (KIP-43, KIP-152).
fn authenticate(
    stream: &mut Connection,
    security: &Security,
    options: &ConsumerOptions,
) -> Result<(), Failure> {
    let Some(mechanism) = security.mechanism() else {
        return Ok(());
    };
    let handshake =
        SaslHandshakeRequest::default().with_mechanism(StrBytes::from_string(mechanism.clone()));
    let (key, version) = (ApiKey::SaslHandshake, SASL_HANDSHAKE_VERSION);
    let agreed: SaslHandshakeResponse = ask(stream, key, version, options, &handshake)?;
    check(agreed.error_code)?;
    let mut say = |message: String| -> Result<String, Failure> {
        let request =
            SaslAuthenticateRequest::default().with_auth_bytes(message.into_bytes().into());
        let (key, version) = (ApiKey::SaslAuthenticate, SASL_AUTHENTICATE_VERSION);
        let answer: SaslAuthenticateResponse = ask(stream, key, version, options, &request)?;
        check(answer.error_code)?;
        let text = String::from_utf8(answer.auth_bytes.to_vec());
        text.map_err(|_| invalid("the broker's SASL message").into())
    };
    let (user, password) = security.credentials();
    let digest = match mechanism.as_str() {
        "SCRAM-SHA-256" => MessageDigest::sha256(),
        "SCRAM-SHA-512" => MessageDigest::sha512(),
        _ => return say(format!("\0{user}\0{password}")).map(drop),
    };
    let scram = Scram::new(digest, user, password).map_err(std::io::Error::other)?;
    let challenge = say(scram.first())?;
    let answer = scram
        .answer(&challenge)
        .map_err(|why| invalid(&format!("the broker's SASL message ({why})")))?;
    if say(answer.message)? == answer.server_final {
        Ok(())
    } else {
        Err(invalid("the broker's proof that it knows the password").into())
    }
}

/// One request and its answer: each is a length, a header and a body.
fn ask<Q, A>(
    stream: &mut Connection,
    key: ApiKey,
    version: i16,
    options: &ConsumerOptions,
    request: &Q,
) -> Result<A, Failure>
where
    Q: Encodable + HeaderVersion,
    A: Decodable + HeaderVersion,
{
    let header = RequestHeader::default()
        .with_request_api_key(key as i16)
        .with_request_api_version(version)
        .with_correlation_id(1)
        .with_client_id(Some(StrBytes::from_string(options.client_id.clone())));
    let mut message = Vec::new();
    header
        .encode(&mut message, Q::header_version(version))
        .and_then(|()| request.encode(&mut message, version))
        .map_err(|error| invalid(&format!("the request ({error})")))?;
    let length = u32::try_from(message.len()).map_err(|_| invalid("the request's length"))?;
    stream.write_all(&length.to_be_bytes())?;
    stream.write_all(&message)?;

    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length) as usize;
    if length > ANSWER_LIMIT {
        return Err(invalid("the answer's length").into());
    }
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer)?;
    let mut rest = answer.as_slice();
    ResponseHeader::decode(&mut rest, A::header_version(version))
        .and_then(|_| A::decode(&mut rest, version))
        .map_err(|error| invalid(&format!("the answer ({error})")).into())
}

fn invalid(what: &str) -> std::io::Error {
    std::io::Error::new(
        std::io::ErrorKind::InvalidData,
        format!("{what} is not valid"),
    )
}

/// Connects to the first bootstrap server that answers.
fn connect_to_any(
    servers: &str,
    security: &Security,
    deadline: Instant,
) -> std::io::Result<Connection> {
    let mut last = invalid("the list of bootstrap servers");
    for server in servers.split(',') {
        let connected = split_server(server)
            .ok_or_else(|| invalid("a bootstrap server"))
            .and_then(|(host, port)| Connection::open(security, host, port, deadline));
        match connected {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Host and port of `[protocol://]host[:port]`; librdkafka's default port is 9092.
fn split_server(server: &str) -> Option<(&str, u16)> {
    const DEFAULT_PORT: u16 = 9092;
    let server = server.trim();
    let server = server
        .rsplit_once("://")
        .map_or(server, |(_, address)| address);
    let (host, port) = match server
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => match server.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (server, None),
        },
    };
    let port = port.map_or(Some(DEFAULT_PORT), |port| port.parse().ok())?;
    (!host.is_empty()).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bootstrap_servers_split_into_host_and_port() {
        assert_eq!(split_server("kafka:9093"), Some(("kafka", 9093)));
        assert_eq!(
            split_server(" PLAINTEXT://kafka:9093 "),
            Some(("kafka", 9093))
        );
        assert_eq!(split_server("kafka"), Some(("kafka", 9092)));
        assert_eq!(split_server("[::1]:9093"), Some(("::1", 9093)));
        assert_eq!(split_server("kafka:http"), None);
        assert_eq!(split_server(""), None);
    }
}
