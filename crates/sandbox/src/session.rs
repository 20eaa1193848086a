//! The part of Postgres's protocol (version 3.0) that is needed to run one statement, with a password (SCRAM-SHA-256).

use crate::{
    private,
    scram::{Login, MECHANISM},
};
use std::{io, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Time limit of a statement; creating a database copies one.
const STATEMENT_LIMIT: Duration = Duration::from_secs(30);
/// The longest message that is read, in bytes.
const MAX_MESSAGE_BYTES: usize = 64 * 1024;
const PROTOCOL_VERSION: u32 = 196_608;

/// The error with which Postgres refuses a connection or statement.
pub(crate) struct Refusal {
    pub(crate) code: String,
    pub(crate) message: String,
}

/// Runs `statement` on the database `postgres` as the user `postgres`; the inner error is the server's.
pub(crate) async fn execute(port: u16, password: &str, statement: &str) -> io::Result<Result<(), Refusal>> {
    let nonce = private::random()?;
    timeout(STATEMENT_LIMIT, async {
        let mut login = Login::new(password, &nonce);
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        let mut startup = PROTOCOL_VERSION.to_be_bytes().to_vec();
        startup.extend_from_slice(b"user\0postgres\0database\0postgres\0\0");
        stream.write_all(&framed(&[], &startup)?).await?;
        if let Err(refusal) = until_ready(&mut stream, &mut login).await? {
            return Ok(Err(refusal));
        }
        stream.write_all(&framed(b"Q", format!("{statement}\0").as_bytes())?).await?;
        let outcome = until_ready(&mut stream, &mut login).await?;
        stream.write_all(&framed(b"X", &[])?).await?;
        Ok(outcome)
    })
    .await?
}

fn framed(kind: &[u8], body: &[u8]) -> io::Result<Vec<u8>> {
    let length = u32::try_from(body.len() + 4).map_err(io::Error::other)?;
    Ok([kind, &length.to_be_bytes(), body].concat())
}

/// Reads up to `ReadyForQuery`; an error before that is the outcome.
async fn until_ready(stream: &mut TcpStream, login: &mut Login<'_>) -> io::Result<Result<(), Refusal>> {
    let mut outcome = Ok(());
    loop {
        let kind = match stream.read_u8().await {
            // A refused connection is closed after the error.
            Err(_) if outcome.is_err() => return Ok(outcome),
            kind => kind?,
        };
        let length = usize::try_from(stream.read_u32().await?).unwrap_or(usize::MAX).saturating_sub(4);
        if length > MAX_MESSAGE_BYTES {
            return Err(io::Error::other("an over-long message"));
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        match kind {
            b'E' => outcome = Err(refusal(&body)),
            b'R' => prove(stream, login, &body).await?,
            b'Z' => return Ok(outcome),
            _ => {}
        }
    }
}

/// Performs one step of the login.
async fn prove(stream: &mut TcpStream, login: &mut Login<'_>, body: &[u8]) -> io::Result<()> {
    let strange = || io::Error::other("the server asks for another proof than SCRAM-SHA-256");
    let (kind, body) = body.split_first_chunk::<4>().ok_or_else(strange)?;
    let text = std::str::from_utf8(body).map_err(|_| strange())?;
    match u32::from_be_bytes(*kind) {
        // Done.
        0 => Ok(()),
        10 if text.split('\0').any(|mechanism| mechanism == MECHANISM) => {
            let first = login.first();
            let length = u32::try_from(first.len()).map_err(io::Error::other)?;
            let body = [MECHANISM.as_bytes(), b"\0", &length.to_be_bytes(), first.as_bytes()].concat();
            stream.write_all(&framed(b"p", &body)?).await
        }
        11 => {
            let proof = login.proof(text).ok_or_else(strange)?;
            stream.write_all(&framed(b"p", proof.as_bytes())?).await
        }
        12 if login.is_server(text) => Ok(()),
        _ => Err(strange()),
    }
}

fn refusal(body: &[u8]) -> Refusal {
    let field = |name: u8| {
        let found = body.split(|byte| *byte == 0).find(|field| field.first() == Some(&name));
        found.map(|field| String::from_utf8_lossy(&field[1..]).into_owned()).unwrap_or_default()
    };
    Refusal { code: field(b'C'), message: field(b'M') }
}
