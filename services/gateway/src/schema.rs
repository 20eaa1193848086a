//! Schemas of texts that many requests have, with the limits that are enforced.

use utoipa::ToSchema;

/// An id: 1 to 64 of A-Z a-z 0-9 _ -.
#[derive(ToSchema)]
#[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]{1,64}$")]
#[expect(dead_code, reason = "its schema alone is used")]
pub(crate) struct Token(String);

/// A platform's id: 1 to 255 bytes without control characters.
#[derive(ToSchema)]
#[schema(min_length = 1, max_length = 255, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$")]
#[expect(dead_code, reason = "its schema alone is used")]
pub(crate) struct External(String);

/// The id of a key.
#[derive(ToSchema)]
#[schema(min_length = 16, max_length = 16, pattern = "^[0-9a-f]{16}$")]
#[expect(dead_code, reason = "its schema alone is used")]
pub(crate) struct KeyId(String);

/// A text for people: 1 to 200 characters that aren't all white space, without control characters.
#[derive(ToSchema)]
#[schema(
    min_length = 1,
    max_length = 200,
    pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*[^\\s\\u0000-\\u001f\\u007f-\\u009f][^\\u0000-\\u001f\\u007f-\\u009f]*$"
)]
#[expect(dead_code, reason = "its schema alone is used")]
pub(crate) struct Title(String);

/// A text that may be empty: at most 200 characters, without control characters.
#[derive(ToSchema)]
#[schema(max_length = 200, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
#[expect(dead_code, reason = "its schema alone is used")]
pub(crate) struct Line(String);

/// A secret or an access token, without control characters. It is never returned.
#[derive(ToSchema)]
#[schema(min_length = 1, max_length = 1024, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$")]
#[expect(dead_code, reason = "its schema alone is used")]
pub(crate) struct Secret(String);

/// A currency, as ISO 4217 writes it.
#[derive(ToSchema)]
#[schema(pattern = "^[A-Z]{3}$", example = "USD")]
#[expect(dead_code, reason = "its schema alone is used")]
pub(crate) struct CurrencyCode(String);

/// The `ETag` of a response, or `*`.
#[derive(ToSchema)]
#[schema(pattern = "^(\\*|\"[1-9][0-9]{0,17}\")$", example = "\"7\"")]
#[expect(dead_code, reason = "its schema alone is used")]
pub(crate) struct Revision(String);
