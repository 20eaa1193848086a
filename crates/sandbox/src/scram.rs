//! The client's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), without channel binding: pure, the nonce is a parameter.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

/// The mechanism's name.
pub(crate) const MECHANISM: &str = "SCRAM-SHA-256";
/// Upper limit of rounds that a server may ask for.
const ROUNDS_MAX: u32 = 1_000_000;
/// The rounds of our own passwords. Rounds make guessing expensive, which 256 random bits don't need; every client
/// computes the rounds at each connection, which takes most of a second without optimisation.
const ROUNDS: u32 = 1;
/// `n,,` in base64: no channel binding.
const NO_BINDING: &str = "biws";

/// The state of one login.
pub(crate) struct Login<'a> {
    password: &'a str,
    nonce: &'a str,
    signature: Vec<u8>,
}

impl<'a> Login<'a> {
    /// Creates a login; Postgres takes the user's name from elsewhere.
    pub(crate) fn new(password: &'a str, nonce: &'a str) -> Self {
        Self { password, nonce, signature: Vec::new() }
    }

    /// The first message.
    pub(crate) fn first(&self) -> String {
        format!("n,,{}", self.bare())
    }

    fn bare(&self) -> String {
        format!("n=,r={}", self.nonce)
    }

    /// The proof, in reply to the server's first message; `None` if that message is invalid.
    pub(crate) fn proof(&mut self, server_first: &str) -> Option<String> {
        let field = |name: &str| server_first.split(',').find_map(|field| field.strip_prefix(name));
        let nonce = field("r=").filter(|nonce| nonce.starts_with(self.nonce))?;
        let salt = STANDARD.decode(field("s=")?).ok()?;
        let rounds: u32 = field("i=")?.parse().ok().filter(|rounds| (1..=ROUNDS_MAX).contains(rounds))?;
        let without_proof = format!("c={NO_BINDING},r={nonce}");
        let signed = format!("{},{server_first},{without_proof}", self.bare());
        let salted = salted(self.password.as_bytes(), &salt, rounds);
        let client = keyed(&salted, b"Client Key");
        let signature = keyed(&Sha256::digest(&client), signed.as_bytes());
        let proof: Vec<u8> = client.iter().zip(&signature).map(|(key, mask)| key ^ mask).collect();
        self.signature = keyed(&keyed(&salted, b"Server Key"), signed.as_bytes());
        Some(format!("{without_proof},p={}", STANDARD.encode(proof)))
    }

    /// Returns true if the server's last message proves that it has the password's verifier.
    pub(crate) fn is_server(&self, server_last: &str) -> bool {
        let said = server_last.strip_prefix("v=").and_then(|text| STANDARD.decode(text).ok());
        !self.signature.is_empty() && said.is_some_and(|said| said == self.signature)
    }
}

/// The verifier that Postgres keeps of a password, in the form that `alter role` accepts (Postgres, `scram-common.c`).
pub(crate) fn kept(password: &str, salt: &[u8]) -> String {
    let salted = salted(password.as_bytes(), salt, ROUNDS);
    let [salt, stored, server] = [
        salt.to_vec(),
        Sha256::digest(keyed(&salted, b"Client Key")).to_vec(),
        keyed(&salted, b"Server Key"),
    ]
    .map(|bytes| STANDARD.encode(bytes));
    format!("{MECHANISM}${ROUNDS}:{salt}${stored}:{server}")
}

fn keyed(key: &[u8], text: &[u8]) -> Vec<u8> {
    // A key of any length is accepted.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn salted(password: &[u8], salt: &[u8], rounds: u32) -> Vec<u8> {
    let mut round = keyed(password, &[salt, &1_u32.to_be_bytes()].concat());
    let mut sum = round.clone();
    for _ in 1..rounds {
        round = keyed(password, &round);
        sum.iter_mut().zip(&round).for_each(|(sum, byte)| *sum ^= byte);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_standard_comes_out() {
        // RFC 7677, section 3, with Postgres's empty name: the name is part of the signed text, so only the salted
        // password, its keys and the checks of messages are those of the standard.
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let stored = Sha256::digest(keyed(&salted(b"pencil", &salt, 4096), b"Client Key"));
        assert_eq!(STANDARD.encode(stored), "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=");
    }

    #[test]
    fn a_server_that_sends_another_nonce_or_asks_for_too_much_gets_no_proof() {
        let mut login = Login::new("pencil", "mine");
        for wrong in [
            "",
            "r=other,s=AAAA,i=4096",
            "r=mine,s=?,i=4096",
            "r=mineX,s=AAAA,i=0",
            "r=mineX,s=AAAA,i=4294967295",
        ] {
            assert!(login.proof(wrong).is_none(), "{wrong}");
        }
        assert!(!login.is_server("v="), "before anything was proved");
        assert!(login.proof("r=mineX,s=AAAA,i=2").unwrap().starts_with("c=biws,r=mineX,p="));
        assert!(!login.is_server("v=AAAA"));
    }
}
