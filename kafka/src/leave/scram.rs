//! [`Scram`]: the client's side of salted challenge and response (RFC 5802; with SHA-256 RFC 7677), as
//! Kafka speaks it: no channel binding, no authorization id.

use openssl::base64::{decode_block, encode_block};
use openssl::error::ErrorStack;
use openssl::hash::{MessageDigest, hash};
use openssl::pkcs5::pbkdf2_hmac;
use openssl::pkey::PKey;
use openssl::sign::Signer;

/// Iterations a server may ask for: more would let it keep us busy for ever.
const ITERATIONS_MAX: usize = 1_000_000;
/// `n,,` in base64: what the last message says again of the first.
const NO_BINDING: &str = "biws";

/// One exchange.
pub(super) struct Scram<'a> {
    digest: MessageDigest,
    password: &'a str,
    nonce: String,
    first_bare: String,
}

/// What the client answers a challenge with, and what the server is to prove itself with.
pub(super) struct Answer {
    /// The client's last message.
    pub(super) message: String,
    /// The server's last message has to be this.
    pub(super) server_final: String,
}

impl<'a> Scram<'a> {
    /// An exchange under a nonce of its own. `digest` is that of the mechanism.
    pub(super) fn new(
        digest: MessageDigest,
        user: &str,
        password: &'a str,
    ) -> Result<Self, ErrorStack> {
        let mut random = [0; 18];
        openssl::rand::rand_bytes(&mut random)?;
        Ok(Self::with_nonce(
            digest,
            user,
            password,
            encode_block(&random),
        ))
    }

    fn with_nonce(digest: MessageDigest, user: &str, password: &'a str, nonce: String) -> Self {
        let user = user.replace('=', "=3D").replace(',', "=2C");
        let first_bare = format!("n={user},r={nonce}");
        Self {
            digest,
            password,
            nonce,
            first_bare,
        }
    }

    /// The client's first message.
    pub(super) fn first(&self) -> String {
        format!("n,,{}", self.first_bare)
    }

    /// Answers the server's challenge; the error says what is wrong with it.
    pub(super) fn answer(&self, challenge: &str) -> Result<Answer, String> {
        let field = |name: &str| {
            challenge
                .split(',')
                .find_map(|part| part.strip_prefix(name))
                .ok_or_else(|| format!("the server's challenge has no {name}"))
        };
        let (nonce, salt) = (field("r=")?, field("s=")?);
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err("the server's challenge is to another request".to_owned());
        }
        let salt = decode_block(salt).map_err(|error| format!("the server's salt: {error}"))?;
        let iterations = field("i=")?
            .parse()
            .ok()
            .filter(|iterations| (1..=ITERATIONS_MAX).contains(iterations))
            .ok_or_else(|| "the server asks for too many iterations".to_owned())?;
        let without_proof = format!("c={NO_BINDING},r={nonce}");
        let signed = format!("{},{challenge},{without_proof}", self.first_bare);
        let (proof, signature) = self
            .proof(&salt, iterations, signed.as_bytes())
            .map_err(|error| error.to_string())?;
        Ok(Answer {
            message: format!("{without_proof},p={}", encode_block(&proof)),
            server_final: format!("v={}", encode_block(&signature)),
        })
    }

    /// The client's proof and the server's signature (RFC 5802 section 3).
    fn proof(
        &self,
        salt: &[u8],
        iterations: usize,
        signed: &[u8],
    ) -> Result<(Vec<u8>, Vec<u8>), ErrorStack> {
        let mut salted = vec![0; self.digest.size()];
        pbkdf2_hmac(
            self.password.as_bytes(),
            salt,
            iterations,
            self.digest,
            &mut salted,
        )?;
        let client_key = self.hmac(&salted, b"Client Key")?;
        let stored_key = hash(self.digest, &client_key)?;
        let client_signature = self.hmac(&stored_key, signed)?;
        let proof = client_key
            .iter()
            .zip(&client_signature)
            .map(|(key, signature)| key ^ signature)
            .collect();
        let server_key = self.hmac(&salted, b"Server Key")?;
        Ok((proof, self.hmac(&server_key, signed)?))
    }

    fn hmac(&self, key: &[u8], data: &[u8]) -> Result<Vec<u8>, ErrorStack> {
        let key = PKey::hmac(key)?;
        Signer::new(self.digest, &key)?.sign_oneshot_to_vec(data)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The example of RFC 7677 section 3.
    #[test]
    fn the_example_of_the_rfc_comes_out() {
        let nonce = "rOprNGfwEbeRWgbNEkqO".to_owned();
        let scram = Scram::with_nonce(MessageDigest::sha256(), "user", "pencil", nonce);
        assert_eq!(scram.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let answer = scram
            .answer(
                "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,\
                 i=4096",
            )
            .unwrap();
        assert_eq!(
            answer.message,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        let expected = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
        assert_eq!(answer.server_final, expected);
    }

    #[test]
    fn a_challenge_to_another_request_or_for_endless_work_is_refused() {
        let digest = MessageDigest::sha512();
        let scram = Scram::with_nonce(digest, "a,b=c", "p", "mine".to_owned());
        assert_eq!(scram.first(), "n,,n=a=2Cb=3Dc,r=mine");
        for challenge in [
            "r=other,s=W22Z,i=4096",
            "r=mine,s=W22Z,i=4096",
            "r=mine+theirs,s=W22Z,i=99999999",
            "r=mine+theirs,i=4096",
        ] {
            assert!(scram.answer(challenge).is_err(), "{challenge}");
        }
    }
}
