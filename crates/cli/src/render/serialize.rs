//! Documents of the model become values: what JSON says of them, and what Go's templates see besides.
//!
//! Go's templates look at typed objects. So they find a field that JSON leaves out because it is empty, and for some fields
//! the name of the Go type's member beside the name in JSON.

use serde::ser::{self, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeTuple};
use wharfie_model::image::ImageConfig;
use wharfie_model::{Duration, Moment, NilList, NilMap};

use super::value::{Field, Value};

/// A document as a value.
pub fn value_of(document: &impl Serialize) -> Value {
    // Nothing here fails, and a document of the model has no map with keys that are no text.
    document.serialize(Values).unwrap_or(Value::Nil)
}

/// Where the Go type's member is called otherwise than in JSON.
const MEMBERS: &[(&str, &str)] = &[
    ("Id", "ID"),
    ("CpuShares", "CPUShares"),
    ("NanoCpus", "NanoCPUs"),
    ("CpuPeriod", "CPUPeriod"),
    ("CpuQuota", "CPUQuota"),
    ("CpuRealtimePeriod", "CPURealtimePeriod"),
    ("CpuRealtimeRuntime", "CPURealtimeRuntime"),
    ("CpuCount", "CPUCount"),
    ("CpuPercent", "CPUPercent"),
    ("path", "Path"),
    ("id", "ID"),
    ("status", "Status"),
    ("from", "From"),
    ("scope", "Scope"),
    ("time", "Time"),
    ("timeNano", "TimeNano"),
    ("ApiVersion", "APIVersion"),
    ("Dns", "DNS"),
    ("DnsOptions", "DNSOptions"),
    ("DnsSearch", "DNSSearch"),
];

fn member(name: &'static str) -> &'static str {
    MEMBERS.iter().find(|(json, _)| *json == name).map_or(name, |(_, member)| *member)
}

/// What a field holds that JSON leaves out: Go's zero value of its type.
fn zero(field: &str) -> Value {
    match field {
        "Volumes" | "Labels" | "AuxiliaryAddresses" | "Tmpfs" | "Sysctls" | "ExposedPorts" => Value::Map(None),
        "Env" | "Cmd" | "Entrypoint" | "OnBuild" | "Shell" | "Mounts" | "Test" => Value::List(None),
        "ReadOnly" | "ArgsEscaped" | "Experimental" => Value::Bool(false),
        "Created" | "Variant" | "OsVersion" | "User" | "WorkingDir" | "status" | "id" | "from" | "IPRange"
        | "StopSignal" | "Name" | "Driver" | "Source" | "IPv4Address" | "KernelVersion" => Value::str(""),
        "Interval" | "Timeout" | "StartPeriod" | "StartInterval" => Value::Duration(0),
        "Retries" => Value::Int(0),
        // A pointer to nothing.
        _ => Value::Nil,
    }
}

struct Values;

/// Nothing that is serialised here can fail but a document that breaks the rules of serde.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unreadable(String);

impl ser::Error for Unreadable {
    fn custom<T: std::fmt::Display>(why: T) -> Self {
        Self(why.to_string())
    }
}

fn unknown<T>(what: &str) -> Result<T, Unreadable> {
    Err(Unreadable(format!("{what} are in no document")))
}

impl ser::Serializer for Values {
    type Ok = Value;
    type Error = Unreadable;
    type SerializeSeq = Items;
    type SerializeTuple = Items;
    type SerializeTupleStruct = ser::Impossible<Value, Unreadable>;
    type SerializeTupleVariant = ser::Impossible<Value, Unreadable>;
    type SerializeMap = Entries;
    type SerializeStruct = Fields;
    type SerializeStructVariant = ser::Impossible<Value, Unreadable>;

    fn serialize_bool(self, value: bool) -> Result<Value, Unreadable> {
        Ok(Value::Bool(value))
    }

    fn serialize_i8(self, value: i8) -> Result<Value, Unreadable> {
        self.serialize_i64(value.into())
    }

    fn serialize_i16(self, value: i16) -> Result<Value, Unreadable> {
        self.serialize_i64(value.into())
    }

    fn serialize_i32(self, value: i32) -> Result<Value, Unreadable> {
        self.serialize_i64(value.into())
    }

    fn serialize_i64(self, value: i64) -> Result<Value, Unreadable> {
        Ok(Value::Int(value))
    }

    fn serialize_u8(self, value: u8) -> Result<Value, Unreadable> {
        self.serialize_i64(value.into())
    }

    fn serialize_u16(self, value: u16) -> Result<Value, Unreadable> {
        self.serialize_i64(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<Value, Unreadable> {
        self.serialize_i64(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<Value, Unreadable> {
        self.serialize_i64(i64::try_from(value).unwrap_or(i64::MAX))
    }

    fn serialize_f32(self, value: f32) -> Result<Value, Unreadable> {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<Value, Unreadable> {
        Ok(Value::Float(value))
    }

    fn serialize_char(self, value: char) -> Result<Value, Unreadable> {
        Ok(Value::from(value.to_string()))
    }

    fn serialize_str(self, value: &str) -> Result<Value, Unreadable> {
        Ok(Value::str(value))
    }

    fn serialize_bytes(self, _value: &[u8]) -> Result<Value, Unreadable> {
        unknown("bytes")
    }

    fn serialize_none(self) -> Result<Value, Unreadable> {
        Ok(Value::Nil)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, Unreadable> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Value, Unreadable> {
        Ok(Value::Nil)
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<Value, Unreadable> {
        Ok(Value::Nil)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<Value, Unreadable> {
        Ok(Value::str(variant))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<Value, Unreadable> {
        Ok(match (name, value.serialize(Values)?) {
            (Duration::NAME, Value::Int(nanos)) => Value::Duration(nanos),
            (Moment::NAME, Value::Str(text)) => text.parse().map_or(Value::Str(text), Value::Time),
            (NIL_LIST, _) => Value::List(None),
            (NIL_MAP, _) => Value::Map(None),
            (_, value) => value,
        })
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<Value, Unreadable> {
        unknown("variants with values")
    }

    fn serialize_seq(self, _length: Option<usize>) -> Result<Items, Unreadable> {
        Ok(Items(Vec::new()))
    }

    fn serialize_tuple(self, length: usize) -> Result<Items, Unreadable> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, Unreadable> {
        unknown("structures without names")
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Unreadable> {
        unknown("variants with values")
    }

    fn serialize_map(self, _length: Option<usize>) -> Result<Entries, Unreadable> {
        Ok(Entries { key: String::new(), entries: Vec::new() })
    }

    fn serialize_struct(self, name: &'static str, length: usize) -> Result<Fields, Unreadable> {
        Ok(Fields { fields: Vec::with_capacity(length), is_image_config: name == ImageConfig::NAME })
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Unreadable> {
        unknown("variants with values")
    }
}

const NIL_LIST: &str = NilList::<()>::NAME;
const NIL_MAP: &str = NilMap::<()>::NAME;

struct Items(Vec<Value>);

impl SerializeSeq for Items {
    type Ok = Value;
    type Error = Unreadable;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), Unreadable> {
        self.0.push(item.serialize(Values)?);
        Ok(())
    }

    fn end(self) -> Result<Value, Unreadable> {
        Ok(Value::list(self.0))
    }
}

impl SerializeTuple for Items {
    type Ok = Value;
    type Error = Unreadable;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), Unreadable> {
        SerializeSeq::serialize_element(self, item)
    }

    fn end(self) -> Result<Value, Unreadable> {
        SerializeSeq::end(self)
    }
}

struct Entries {
    key: String,
    entries: Vec<(String, Value)>,
}

impl SerializeMap for Entries {
    type Ok = Value;
    type Error = Unreadable;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Unreadable> {
        let Value::Str(key) = key.serialize(Values)? else { return unknown("keys that are no text") };
        self.key = key.to_string();
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unreadable> {
        self.entries.push((std::mem::take(&mut self.key), value.serialize(Values)?));
        Ok(())
    }

    fn end(self) -> Result<Value, Unreadable> {
        Ok(Value::map(self.entries))
    }
}

struct Fields {
    fields: Vec<Field>,
    is_image_config: bool,
}

impl SerializeStruct for Fields {
    type Ok = Value;
    type Error = Unreadable;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Unreadable> {
        self.fields.push(Field::named(member(name), name, value.serialize(Values)?));
        Ok(())
    }

    fn skip_field(&mut self, name: &'static str) -> Result<(), Unreadable> {
        self.fields.push(Field::named(member(name), "", zero(name)));
        Ok(())
    }

    fn end(self) -> Result<Value, Unreadable> {
        let mut fields = self.fields;
        if self.is_image_config {
            // Members of the type that it once was.
            fields.extend(["Hostname", "Domainname", "Image"].map(|name| Field::named(name, "", "")));
            let truths = ["Tty", "OpenStdin", "StdinOnce", "AttachStdin", "AttachStdout", "AttachStderr"];
            fields.extend(truths.map(|name| Field::named(name, "", false)));
        }
        Ok(Value::document(fields))
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::super::json::{Html, compact};
    use super::super::template::{Mode, Template};
    use super::*;

    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Document {
        id: String,
        dns: Vec<String>,
        links: NilList<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        health: Option<u8>,
        #[serde(skip_serializing_if = "String::is_empty")]
        stop_signal: String,
        interval: Duration,
        start: Moment,
    }

    #[test]
    fn json_and_templates_see_what_go_sees() {
        let value = value_of(&Document {
            id: "x".to_owned(),
            dns: Vec::new(),
            links: NilList::default(),
            health: None,
            stop_signal: String::new(),
            interval: Duration(1_500_000_000),
            start: Moment("2026-11-23T04:38:09.1Z".to_owned()),
        });
        let json = r#"{"Id":"x","Dns":[],"Links":null,"Interval":1500000000,"Start":"2026-11-23T04:38:09.1Z"}"#;
        assert_eq!(compact(&value, Html::Plain), json);
        let template = "{{.ID}} {{.Id}} {{.DNS}} {{.Links}} {{.Health}} [{{.StopSignal}}] {{.Interval}}";
        let rendered = Template::parse(template).unwrap().execute(&value, Mode::Data).unwrap();
        assert_eq!(rendered, "x x [] [] <nil> [] 1.5s");
    }
}
