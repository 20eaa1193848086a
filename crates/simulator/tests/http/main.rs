//! The simulators over HTTP, tested through a client and a receiver of webhooks.

#[cfg(test)]
mod blaze;
#[cfg(test)]
mod bulk;
#[cfg(test)]
mod client;
#[cfg(test)]
mod clover;
#[cfg(test)]
mod flowhub;
#[cfg(test)]
mod incidents;
#[cfg(test)]
mod leaflogix;
#[cfg(test)]
mod receiver;
#[cfg(test)]
mod shopify;
#[cfg(test)]
mod square;
#[cfg(test)]
mod traffic;
#[cfg(test)]
mod treez;
#[cfg(test)]
mod webhooks;
#[cfg(test)]
mod woocommerce;
