//! Authentication of a webhook: the token that was agreed on when it was set up. Treez signs nothing.

use crate::{Secrets, Signed, Unverified};

/// The header that carries the token.
pub(super) const TOKEN_HEADER: &str = "authorization";

/// Compares the bearer token with any active secret. Body and time are not proven: a delivery is only as safe as
/// its transport.
pub(super) fn verify(signed: &Signed<'_>, secrets: &Secrets<'_>) -> Result<(), Unverified> {
    let authorization = signed.header(TOKEN_HEADER).ok_or(Unverified::Missing)?;
    crate::verify::bearer(secrets.active, authorization)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_agreed_token_is_believed() {
        let active = ["present".to_owned(), "former".to_owned()];
        let secrets = Secrets { active: &active, notification_url: "" };
        let check = |value: Option<&str>| {
            let headers: Vec<_> =
                value.iter().map(|value| ("authorization".to_owned(), (*value).to_owned())).collect();
            verify(&Signed { headers: &headers, body: b"{}" }, &secrets)
        };
        assert_eq!(check(Some("Bearer present")), Ok(()));
        assert_eq!(check(Some("Bearer former")), Ok(()));
        assert_eq!(check(Some("Bearer presen")), Err(Unverified::Mismatch));
        assert_eq!(check(Some("present")), Err(Unverified::Mismatch));
        assert_eq!(check(None), Err(Unverified::Missing));
    }
}
