//! The words of the kernel's packet filter, nf_tables: tables, chains and rules over its netlink socket
//! (`linux/netfilter/nf_tables.h`). Numbers in attributes are big-endian.

use std::io;
use std::net::Ipv4Addr;

use crate::net::netlink::{Message, Socket, attributes};

/// Which packets a table sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// IPv4 and IPv6.
    Inet = 1,
    /// IPv4.
    Ip = 2,
}

/// Changes that are made together or not at all.
#[derive(Default)]
pub(super) struct Changes(Vec<Message>);

impl Changes {
    /// Makes a table if it is missing.
    pub(super) fn table(&mut self, family: Family, table: &str) {
        self.add(NEW_TABLE, libc::NLM_F_CREATE, family, |message| message.text(TABLE_NAME, table));
    }

    /// Removes a table and all that is in it.
    pub(super) fn remove_table(&mut self, family: Family, table: &str) {
        self.add(DELETE_TABLE, 0, family, |message| message.text(TABLE_NAME, table));
    }

    /// Removes the rules of all chains of a table.
    pub(super) fn empty_table(&mut self, family: Family, table: &str) {
        self.add(DELETE_RULE, 0, family, |message| message.text(RULE_TABLE, table));
    }

    /// Makes a chain if it is missing.
    pub(super) fn chain(&mut self, family: Family, table: &str, chain: &Chain<'_>) {
        self.add(NEW_CHAIN, libc::NLM_F_CREATE, family, |message| {
            message.text(CHAIN_TABLE, table);
            message.text(CHAIN_NAME, chain.name);
            message.nested(CHAIN_HOOK, |hook| {
                hook.attribute(HOOK_NUMBER, &(chain.hook as u32).to_be_bytes());
                hook.attribute(HOOK_PRIORITY, &chain.priority.to_be_bytes());
            });
            message.attribute(CHAIN_POLICY, &u32::from(!chain.drops).to_be_bytes());
            message.text(CHAIN_TYPE, chain.kind);
        });
    }

    /// Adds a rule behind those that a chain has.
    pub(super) fn append(&mut self, family: Family, table: &str, chain: &str, rule: Rule) {
        self.rule(libc::NLM_F_APPEND, family, table, chain, rule);
    }

    /// Adds a rule before those that a chain has.
    pub(super) fn insert(&mut self, family: Family, table: &str, chain: &str, rule: Rule) {
        self.rule(0, family, table, chain, rule);
    }

    fn rule(&mut self, flags: i32, family: Family, table: &str, chain: &str, rule: Rule) {
        self.add(NEW_RULE, libc::NLM_F_CREATE | flags, family, |message| {
            message.text(RULE_TABLE, table);
            message.text(RULE_CHAIN, chain);
            message.nested(RULE_EXPRESSIONS, |list| {
                for expression in rule.0 {
                    list.nested(LIST_ELEMENT, |element| {
                        element.text(EXPRESSION_NAME, expression.name);
                        element.nested(EXPRESSION_DATA, expression.fill);
                    });
                }
            });
        });
    }

    /// Removes one rule.
    pub(super) fn remove_rule(&mut self, family: Family, table: &str, chain: &str, handle: u64) {
        self.add(DELETE_RULE, 0, family, |message| {
            message.text(RULE_TABLE, table);
            message.text(RULE_CHAIN, chain);
            message.attribute(RULE_HANDLE, &handle.to_be_bytes());
        });
    }

    fn add(&mut self, kind: u16, flags: i32, family: Family, fill: impl FnOnce(&mut Message)) {
        let mut message = Message::new(SUBSYSTEM << 8 | kind, flags);
        message.structure(&[family as u8, 0, 0, 0]);
        fill(&mut message);
        self.0.push(message);
    }

    /// Makes them.
    pub(super) fn make(self) -> io::Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let frame = |kind| {
            let mut message = Message::without_answer(kind, 0);
            let [high, low] = SUBSYSTEM.to_be_bytes();
            message.structure(&[0, 0, high, low]);
            message
        };
        let mut messages = vec![frame(BATCH_BEGIN)];
        messages.extend(self.0);
        messages.push(frame(BATCH_END));
        Socket::filtering()?.ask_together(messages)
    }
}

/// A chain that the kernel leads packets through.
pub(super) struct Chain<'a> {
    pub(super) name: &'a str,
    /// `filter`, `nat`.
    pub(super) kind: &'a str,
    pub(super) hook: Hook,
    /// Chains of lower numbers are gone through first.
    pub(super) priority: i32,
    /// What no rule decided is dropped, not accepted.
    pub(super) drops: bool,
}

/// Where on its way a packet meets a chain: `enum nf_inet_hooks`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Hook {
    Forward = 2,
    Postrouting = 4,
}

/// What is asked of a packet, in order, and what becomes of it if all is so.
#[derive(Default)]
pub(super) struct Rule(Vec<Expression>);

struct Expression {
    name: &'static str,
    fill: Box<dyn FnOnce(&mut Message)>,
}

/// The device that a packet comes from or goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    From = 6,
    To = 7,
}

impl Rule {
    fn and(mut self, name: &'static str, fill: impl FnOnce(&mut Message) + 'static) -> Self {
        self.0.push(Expression { name, fill: Box::new(fill) });
        self
    }

    /// It comes from or goes to this device.
    pub(super) fn device(self, side: Side, name: &str) -> Self {
        self.device_is(side, name, EQUAL)
    }

    /// It comes from or goes to another device.
    pub(super) fn other_device(self, side: Side, name: &str) -> Self {
        self.device_is(side, name, NOT_EQUAL)
    }

    fn device_is(self, side: Side, name: &str, comparison: u32) -> Self {
        // As long as the kernel's field: the whole name, not its beginning.
        let mut field = [0; DEVICE_NAME];
        let length = name.len().min(DEVICE_NAME - 1);
        field[..length].copy_from_slice(&name.as_bytes()[..length]);
        let load = move |data: &mut Message| {
            number(data, META_REGISTER, REGISTER);
            number(data, META_KEY, side as u32);
        };
        self.and("meta", load).compare(comparison, field)
    }

    /// It says that it comes from this network.
    pub(super) fn source(self, network: Ipv4Addr, prefix: u8) -> Self {
        let mask = !u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
        let load = |data: &mut Message| {
            number(data, PAYLOAD_REGISTER, REGISTER);
            number(data, PAYLOAD_BASE, NETWORK_HEADER);
            number(data, PAYLOAD_OFFSET, IPV4_SOURCE);
            number(data, PAYLOAD_LENGTH, 4);
        };
        self.and("payload", load).masked(mask.to_be_bytes()).compare(EQUAL, network.octets())
    }

    /// It belongs to no connection that was opened, and to nothing that one brings with it. It opens one, or it is what no
    /// connection knows: an answer to nothing.
    pub(super) fn of_no_connection(self) -> Self {
        self.state_is(EQUAL, ESTABLISHED | RELATED)
    }

    /// It is what no connection knows, and opens none.
    pub(super) fn invalid(self) -> Self {
        self.state_is(NOT_EQUAL, INVALID)
    }

    /// Compares those of the state's bits that are in `mask` with none.
    fn state_is(self, comparison: u32, mask: u32) -> Self {
        let load = |data: &mut Message| {
            number(data, CONNECTION_REGISTER, REGISTER);
            number(data, CONNECTION_KEY, CONNECTION_STATE);
        };
        self.and("ct", load).masked(mask.to_ne_bytes()).compare(comparison, [0; 4])
    }

    fn masked(self, mask: [u8; 4]) -> Self {
        self.and("bitwise", move |data| {
            number(data, BITWISE_SOURCE, REGISTER);
            number(data, BITWISE_TARGET, REGISTER);
            number(data, BITWISE_LENGTH, 4);
            data.nested(BITWISE_MASK, |value| value.attribute(DATA_VALUE, &mask));
            data.nested(BITWISE_XOR, |value| value.attribute(DATA_VALUE, &[0; 4]));
        })
    }

    fn compare<const N: usize>(self, comparison: u32, with: [u8; N]) -> Self {
        self.and("cmp", move |data| {
            number(data, COMPARE_REGISTER, REGISTER);
            number(data, COMPARE_HOW, comparison);
            data.nested(COMPARE_DATA, |value| value.attribute(DATA_VALUE, &with));
        })
    }

    /// It is counted. iptables shows no rule of this shape without.
    pub(super) fn counter(self) -> Self {
        self.and("counter", |_| ())
    }

    /// Its source becomes the address of the device that it leaves by.
    pub(super) fn masquerade(self) -> Self {
        self.and("masq", |_| ())
    }

    pub(super) fn accept(self) -> Self {
        self.verdict(ACCEPT)
    }

    pub(super) fn drop(self) -> Self {
        self.verdict(DROP)
    }

    fn verdict(self, code: u32) -> Self {
        self.and("immediate", move |data| {
            number(data, IMMEDIATE_REGISTER, VERDICT_REGISTER);
            data.nested(IMMEDIATE_DATA, |value| {
                value.nested(DATA_VERDICT, |verdict| number(verdict, VERDICT_CODE, code));
            });
        })
    }
}

fn number(message: &mut Message, kind: u16, value: u32) {
    message.attribute(kind, &value.to_be_bytes());
}

/// Whether there is such a table.
pub(super) fn has_table(family: Family, table: &str) -> bool {
    let ask = || ask(GET_TABLE, 0, family, |message| message.text(TABLE_NAME, table));
    ask().is_ok()
}

/// A chain as it is.
pub(super) struct ChainNow {
    /// What no rule decided is dropped.
    pub(super) drops: bool,
    pub(super) rules: Vec<RuleNow>,
}

/// A rule of a chain as it is.
pub(super) struct RuleNow {
    pub(super) handle: u64,
    /// Names of the expressions, and their attributes.
    expressions: Vec<(String, Vec<u8>)>,
}

/// Reads a chain; `None` if there is none of this name.
pub(super) fn chain(family: Family, table: &str, chain: &str) -> io::Result<Option<ChainNow>> {
    let found = ask(GET_CHAIN, 0, family, |message| {
        message.text(CHAIN_TABLE, table);
        message.text(CHAIN_NAME, chain);
    });
    let found = match found {
        Err(why) if why.raw_os_error() == Some(libc::ENOENT) => return Ok(None),
        found => found?,
    };
    let policy = found.iter().flat_map(|answer| attributes(body(answer))).find(|(kind, _)| *kind == CHAIN_POLICY);
    let drops = policy.and_then(|(_, value)| value.first_chunk()).map(|code| u32::from_be_bytes(*code)) == Some(DROP);
    // The kernel says so if somebody changes the rules while it reads them out.
    let rules = loop {
        let rules = ask(GET_RULE, libc::NLM_F_DUMP, family, |message| {
            message.text(RULE_TABLE, table);
            message.text(RULE_CHAIN, chain);
        });
        match rules {
            Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
            rules => break rules?,
        }
    };
    Ok(Some(ChainNow { drops, rules: rules.iter().map(|answer| RuleNow::of(body(answer))).collect() }))
}

impl RuleNow {
    fn of(answer: &[u8]) -> Self {
        let mut rule = Self { handle: 0, expressions: Vec::new() };
        for (kind, value) in attributes(answer) {
            match kind {
                RULE_HANDLE => rule.handle = value.first_chunk().copied().map_or(0, u64::from_be_bytes),
                RULE_EXPRESSIONS => {
                    rule.expressions = attributes(value).map(|(_, element)| expression(element)).collect();
                }
                _ => {}
            }
        }
        rule
    }

    /// Whether it accepts all that goes through a device, on either side, and asks for nothing else.
    pub(super) fn accepts_all_of(&self, device: &str) -> Option<Side> {
        let names: Vec<&str> = self.expressions.iter().map(|(name, _)| name.as_str()).collect();
        if names != ["meta", "cmp", "counter", "immediate"] || self.verdict() != Some(ACCEPT) {
            return None;
        }
        let side = match number_of(&self.expressions[0].1, META_KEY)? {
            key if key == Side::From as u32 => Side::From,
            key if key == Side::To as u32 => Side::To,
            _ => return None,
        };
        let compared = &self.expressions[1].1;
        let value = attribute(compared, COMPARE_DATA).and_then(|data| attribute(data, DATA_VALUE))?;
        // A name without its end would be the beginning of names.
        let name = value.split(|byte| *byte == 0).next().filter(|name| name.len() < value.len())?;
        (number_of(compared, COMPARE_HOW)? == EQUAL && name == device.as_bytes()).then_some(side)
    }

    /// Whether nothing gets past it, whatever it is.
    pub(super) fn stops_all(&self) -> bool {
        let mut stops = false;
        for (name, data) in &self.expressions {
            match name.as_str() {
                "counter" | "log" => {}
                "reject" => stops = true,
                // How the compatible iptables says it.
                "target" => stops = attribute(data, TARGET_NAME).is_some_and(|name| name.starts_with(b"REJECT")),
                "immediate" => stops = self.verdict() == Some(DROP),
                // Something is asked.
                _ => return false,
            }
        }
        stops
    }

    fn verdict(&self) -> Option<u32> {
        let (_, data) = self.expressions.iter().find(|(name, _)| name == "immediate")?;
        let verdict = attribute(data, IMMEDIATE_DATA).and_then(|data| attribute(data, DATA_VERDICT))?;
        number_of(verdict, VERDICT_CODE)
    }
}

fn expression(element: &[u8]) -> (String, Vec<u8>) {
    let name = attribute(element, EXPRESSION_NAME).unwrap_or_default();
    let name = String::from_utf8_lossy(name.strip_suffix(b"\0").unwrap_or(name)).into_owned();
    (name, attribute(element, EXPRESSION_DATA).unwrap_or_default().to_vec())
}

fn attribute(bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    attributes(bytes).find(|(kind, _)| *kind == wanted).map(|(_, value)| value)
}

fn number_of(bytes: &[u8], wanted: u16) -> Option<u32> {
    attribute(bytes, wanted)?.first_chunk().copied().map(u32::from_be_bytes)
}

fn ask(kind: u16, flags: i32, family: Family, fill: impl FnOnce(&mut Message)) -> io::Result<Vec<Vec<u8>>> {
    let mut message = Message::new(SUBSYSTEM << 8 | kind, flags);
    message.structure(&[family as u8, 0, 0, 0]);
    fill(&mut message);
    Socket::filtering()?.answers(message)
}

/// An answer behind its `struct nfgenmsg`.
fn body(answer: &[u8]) -> &[u8] {
    answer.get(4..).unwrap_or_default()
}

/// `NFNL_SUBSYS_NFTABLES`.
const SUBSYSTEM: u16 = 10;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
/// `enum nf_tables_msg_types`.
const NEW_TABLE: u16 = 0;
const GET_TABLE: u16 = 1;
const DELETE_TABLE: u16 = 2;
const NEW_CHAIN: u16 = 3;
const GET_CHAIN: u16 = 4;
const NEW_RULE: u16 = 6;
const GET_RULE: u16 = 7;
const DELETE_RULE: u16 = 8;
/// `enum nft_table_attributes`.
const TABLE_NAME: u16 = 1;
/// `enum nft_chain_attributes`.
const CHAIN_TABLE: u16 = 1;
const CHAIN_NAME: u16 = 3;
const CHAIN_HOOK: u16 = 4;
const CHAIN_POLICY: u16 = 5;
const CHAIN_TYPE: u16 = 7;
/// `enum nft_hook_attributes`.
const HOOK_NUMBER: u16 = 1;
const HOOK_PRIORITY: u16 = 2;
/// `enum nft_rule_attributes`.
const RULE_TABLE: u16 = 1;
const RULE_CHAIN: u16 = 2;
const RULE_HANDLE: u16 = 3;
const RULE_EXPRESSIONS: u16 = 4;
/// `enum nft_list_attributes`, `enum nft_expr_attributes`.
const LIST_ELEMENT: u16 = 1;
const EXPRESSION_NAME: u16 = 1;
const EXPRESSION_DATA: u16 = 2;
/// `enum nft_meta_attributes`.
const META_REGISTER: u16 = 1;
const META_KEY: u16 = 2;
/// `enum nft_payload_attributes`.
const PAYLOAD_REGISTER: u16 = 1;
const PAYLOAD_BASE: u16 = 2;
const PAYLOAD_OFFSET: u16 = 3;
const PAYLOAD_LENGTH: u16 = 4;
const NETWORK_HEADER: u32 = 1;
/// Where a source stands in an IPv4 header, in bytes.
const IPV4_SOURCE: u32 = 12;
/// `enum nft_ct_attributes`, `enum nft_ct_keys`, and the bits in a state: `NF_CT_STATE_INVALID_BIT`, `IP_CT_ESTABLISHED`,
/// `IP_CT_RELATED`.
const CONNECTION_REGISTER: u16 = 1;
const CONNECTION_KEY: u16 = 2;
const CONNECTION_STATE: u32 = 0;
const INVALID: u32 = 1;
const ESTABLISHED: u32 = 1 << 1;
const RELATED: u32 = 1 << 2;
/// `enum nft_bitwise_attributes`.
const BITWISE_SOURCE: u16 = 1;
const BITWISE_TARGET: u16 = 2;
const BITWISE_LENGTH: u16 = 3;
const BITWISE_MASK: u16 = 4;
const BITWISE_XOR: u16 = 5;
/// `enum nft_cmp_attributes`, `enum nft_cmp_ops`.
const COMPARE_REGISTER: u16 = 1;
const COMPARE_HOW: u16 = 2;
const COMPARE_DATA: u16 = 3;
const EQUAL: u32 = 0;
const NOT_EQUAL: u32 = 1;
/// `enum nft_immediate_attributes`, `enum nft_verdict_attributes`, `NF_DROP`, `NF_ACCEPT`.
const IMMEDIATE_REGISTER: u16 = 1;
const IMMEDIATE_DATA: u16 = 2;
const VERDICT_CODE: u16 = 1;
const DROP: u32 = 0;
const ACCEPT: u32 = 1;
/// `enum nft_data_attributes`.
const DATA_VALUE: u16 = 1;
const DATA_VERDICT: u16 = 2;
/// `enum nft_target_attributes`.
const TARGET_NAME: u16 = 1;
/// `enum nft_registers`: the verdict's, and the first of 16 bytes.
const VERDICT_REGISTER: u32 = 0;
const REGISTER: u32 = 1;
/// `IFNAMSIZ`.
const DEVICE_NAME: usize = 16;
