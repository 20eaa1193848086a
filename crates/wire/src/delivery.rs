//! Deliveries on the wire.

use crate::{
    DecodeError, asked_by,
    error::{At as _, required},
    lists::Listed as _,
    pb,
};
use bytes::Bytes;
use model::{
    ConnectionId, Currency, Delivery, DeliveryId, DeliveryKind, Origin, PlatformName, Source, StoreId,
    TenantId, Timestamp, TraceParent,
};
use prost::Message as _;

/// The header in which the intake noted the store's currency before there was a field for it. No platform could send it:
/// the intake keeps none of its headers.
const CURRENCY_HEADER: &str = "tillflow-currency";
/// The header in which the intake noted the connection's account.
const ACCOUNT_HEADER: &str = "tillflow-account";

/// Encodes one delivery, in the form that services send to the intake.
pub fn encode_delivery(delivery: &Delivery) -> Bytes {
    pb::Delivery::from(delivery).encode_to_vec().into()
}

/// Decodes one delivery.
pub fn decode_delivery(payload: Bytes) -> Result<Delivery, DecodeError> {
    pb::Delivery::read(payload)?.try_into()
}

/// The field `hops` of a delivery or an event: readers of earlier versions recognise by it what was read back.
pub(crate) fn hops(is_read_back: bool) -> u32 {
    is_read_back.into()
}

/// Returns whether the field `hops` says that a delivery or an event was read back.
pub(crate) const fn is_read_back(hops: u32) -> bool {
    hops > 0
}

/// Removes the header of that name and returns its value.
fn take_header(headers: &mut Vec<pb::Header>, name: &str) -> Option<String> {
    let index = headers.iter().position(|header| header.name == name)?;
    Some(headers.remove(index).value)
}

impl From<&Origin> for pb::Origin {
    fn from(origin: &Origin) -> Self {
        Self {
            tenant: origin.tenant.to_string(),
            store: origin.store.to_string(),
            connection: origin.connection.to_string(),
            platform: origin.platform.to_string(),
        }
    }
}

impl TryFrom<pb::Origin> for Origin {
    type Error = DecodeError;
    fn try_from(origin: pb::Origin) -> Result<Self, DecodeError> {
        Ok(Self {
            tenant: TenantId::new(&origin.tenant).at("origin.tenant")?,
            store: StoreId::new(&origin.store).at("origin.store")?,
            connection: ConnectionId::new(&origin.connection).at("origin.connection")?,
            platform: PlatformName::new(&origin.platform).at("origin.platform")?,
        })
    }
}

impl From<&Delivery> for pb::Delivery {
    fn from(delivery: &Delivery) -> Self {
        let source = match delivery.source {
            Source::Webhook => pb::Source::Webhook,
            Source::Publish => pb::Source::Publish,
            Source::Fetch | Source::ReadBack => pb::Source::Fetch,
        };
        let header = |(name, value): &(std::sync::Arc<str>, std::sync::Arc<str>)| pb::Header {
            name: (**name).to_owned(),
            value: (**value).to_owned(),
        };
        Self {
            id: Bytes::copy_from_slice(delivery.id.as_bytes()),
            origin: Some((&delivery.origin).into()),
            topic: delivery.kind.topic().to_owned(),
            received_at_micros: delivery.received_at.as_micros(),
            source: source.into(),
            cause: delivery.cause.map(|cause| Bytes::copy_from_slice(cause.as_bytes())),
            hops: hops(delivery.source == Source::ReadBack),
            asked_by: delivery.asked_by.as_ref().map(pb::AskedBy::from),
            attempt: delivery.attempt,
            currency: delivery.currency.map(|currency| currency.to_string()),
            account: delivery.account.as_deref().map(ToOwned::to_owned),
            headers: delivery.headers.iter().map(header).collect(),
            traceparent: delivery.trace.as_str().to_owned(),
            body: delivery.body.clone(),
        }
    }
}

impl TryFrom<pb::Delivery> for Delivery {
    type Error = DecodeError;
    fn try_from(mut delivery: pb::Delivery) -> Result<Self, DecodeError> {
        let source = match delivery.source() {
            pb::Source::Unspecified => return Err(DecodeError::Missing("source")),
            pb::Source::Webhook => Source::Webhook,
            pb::Source::Publish => Source::Publish,
            pb::Source::Fetch if is_read_back(delivery.hops) => Source::ReadBack,
            pb::Source::Fetch => Source::Fetch,
        };
        let id = DeliveryId::try_from(&delivery.id[..]).at("id")?;
        let noted_currency = take_header(&mut delivery.headers, CURRENCY_HEADER);
        let noted_account = take_header(&mut delivery.headers, ACCOUNT_HEADER);
        let origin: Origin = required(delivery.origin, "origin")?.try_into()?;
        Ok(Self {
            id,
            asked_by: delivery.asked_by.map(|asked_by| asked_by::read(asked_by, &origin)).transpose()?,
            origin,
            kind: DeliveryKind::of_topic(&delivery.topic),
            received_at: Timestamp::from_micros(delivery.received_at_micros),
            source,
            cause: delivery.cause.map(|cause| DeliveryId::try_from(&cause[..]).at("cause")).transpose()?,
            attempt: delivery.attempt,
            currency: match delivery.currency {
                Some(code) => Some(Currency::new(&code).at("currency")?),
                None => noted_currency.and_then(|code| Currency::new(&code).ok()),
            },
            account: delivery.account.or(noted_account).map(Into::into),
            headers: delivery
                .headers
                .into_iter()
                .map(|header| (header.name.into(), header.value.into()))
                .collect(),
            trace: required(TraceParent::parse(&delivery.traceparent), "traceparent")?,
            body: delivery.body,
        })
    }
}
