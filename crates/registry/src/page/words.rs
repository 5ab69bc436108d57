//! What pages say, in two languages. Names of things that have one name everywhere (`Entrypoint`, `Digest` in commands) stay as they are.

use hyper::StatusCode;

/// A language that pages speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    English,
    Chinese,
}

impl Language {
    /// The language of a word like `zh` or `en-GB`.
    pub(super) fn of(tag: &str) -> Option<Self> {
        let first = tag.trim().split('-').next().unwrap_or_default();
        match first {
            _ if first.eq_ignore_ascii_case("zh") => Some(Self::Chinese),
            _ if first.eq_ignore_ascii_case("en") => Some(Self::English),
            _ => None,
        }
    }

    /// What a browser would rather read. Source: RFC 9110, 12.5.4.
    pub(super) fn preferred(accepted: &str) -> Self {
        let mut best = (Self::English, 0);
        for range in accepted.split(',').take(MAX_RANGES) {
            let mut parts = range.split(';');
            let Some(language) = Self::of(parts.next().unwrap_or_default()) else { continue };
            let weight = parts.find_map(|part| part.trim().strip_prefix("q=")).map_or(1000, thousandths);
            if weight > best.1 {
                best = (language, weight);
            }
        }
        best.0
    }

    /// Its name in links and in the markup.
    pub(super) fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh",
        }
    }

    pub(super) fn other(self) -> Self {
        match self {
            Self::English => Self::Chinese,
            Self::Chinese => Self::English,
        }
    }

    pub(super) fn words(self) -> &'static Words {
        match self {
            Self::English => &ENGLISH,
            Self::Chinese => &CHINESE,
        }
    }
}

/// 32 languages: nobody speaks more.
const MAX_RANGES: usize = 32;

/// A weight, `0` to `1` with three digits. Source: RFC 9110, 12.4.2.
fn thousandths(text: &str) -> u32 {
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let fraction: String = fraction.chars().chain("000".chars()).take(3).collect();
    match (whole.parse::<u32>(), fraction.parse::<u32>()) {
        (Ok(whole @ 0..=1), Ok(fraction)) => (whole * 1000 + fraction).min(1000),
        _ => 0,
    }
}

macro_rules! words {
    ($($name:ident: $english:literal, $chinese:literal;)*) => {
        /// All that pages say.
        pub(super) struct Words {
            $(pub(super) $name: &'static str,)*
        }
        const ENGLISH: Words = Words { $($name: $english,)* };
        const CHINESE: Words = Words { $($name: $chinese,)* };
        #[cfg(test)]
        const BOTH: &[(&str, &str)] = &[$(($english, $chinese),)*];
    };
}

words! {
    this_language: "English", "中文";
    log_in: "Log in", "登录";
    repositories: "Repositories", "仓库";
    search: "Search", "搜索";
    part_of_name: "Part of a name", "名称的一部分";
    no_repositories: "There is nothing here yet. Push an image, and its repository appears.", "这里还没有内容。推送一个镜像后，它的仓库就会出现。";
    none_found: "No repository has this in its name.", "没有名称中包含该内容的仓库。";
    next: "Next", "下一页";
    from_start: "From the start", "从头开始";
    nothing_more: "Nothing follows.", "后面没有了。";
    tag: "Tag", "标签";
    no_tags: "The repository has no tags. What was pushed by digest is reached by its digest.", "该仓库没有标签。按摘要推送的内容可通过其摘要访问。";
    contents: "Contents", "内容";
    size: "Size", "大小";
    pushed: "Pushed", "推送时间";
    digest: "Digest", "摘要";
    image: "image", "镜像";
    too_large: "too large to look into", "过大，未读取";
    not_here: "not here", "不在此处";
    damaged: "damaged", "已损坏";
    more: "More are in the raw manifest.", "其余内容见原始清单。";
    pull: "Pull", "拉取";
    by_digest: "Exactly this one, whatever the tag means later:", "固定为这一个，不受标签日后变动影响：";
    about: "Overview", "概览";
    media_type: "Media type", "媒体类型";
    artifact_type: "Artifact type", "制品类型";
    total: "Total size", "总大小";
    platform: "Platform", "平台";
    platforms: "Platforms", "平台";
    attestation: "attestation", "证明";
    unnamed_platform: "not told", "未注明";
    created: "Created", "创建时间";
    author: "Author", "作者";
    subject: "Is about", "关联对象";
    raw: "Raw manifest", "原始清单";
    manifest_unreadable: "This manifest cannot be read. The raw manifest shows it as it is.", "无法读取该清单。可在原始清单中查看其原文。";
    layers: "Layers", "镜像层";
    files: "Files", "文件";
    instruction: "Instruction", "构建指令";
    no_layers: "It has no layers.", "没有镜像层。";
    no_layer: "no layer", "无镜像层";
    history_differs: "The history tells of another number of layers than there are; what stands beside a layer may belong to another one.", "历史记录与镜像层数量不一致；并列显示的指令可能属于其他镜像层。";
    runs: "Configuration", "运行配置";
    environment: "Environment", "环境变量";
    ports: "Ports", "端口";
    volumes: "Volumes", "卷";
    user: "User", "用户";
    working_directory: "Working directory", "工作目录";
    stop_signal: "Stop signal", "停止信号";
    labels: "Labels", "标签（label）";
    annotations: "Annotations", "注解";
    nothing_set: "Nothing is set.", "未设置任何内容。";
    config_absent: "The configuration is not here.", "配置文件不在此处。";
    config_large: "The configuration is larger than a page shows (4 MiB).", "配置文件超过页面可显示的大小（4 MiB）。";
    config_damaged: "The configuration is damaged: its bytes are not what its digest says.", "配置文件已损坏：其字节与摘要不符。";
    config_senseless: "The configuration cannot be read: it is not JSON of the shape that configurations have.", "无法读取配置文件：它不是符合规范的 JSON。";
    referrers: "Referrers", "引用者";
    no_referrers: "No signature, SBOM or other artifact refers to it.", "没有签名、SBOM 或其他制品引用它。";
    to_repositories: "All repositories", "所有仓库";
    unauthorized: "Log in to see this", "请先登录";
    unauthorized_help: "Ask for this page again and give a name and a password.", "请重新打开此页面，并输入用户名和密码。";
    denied: "You may not see this", "没有访问权限";
    denied_help: "Ask whoever runs this registry for the right to pull from the repository.", "请联系镜像仓库的管理员，申请该仓库的拉取权限。";
    not_found: "There is nothing here", "这里没有内容";
    not_found_help: "The name may be misspelt, or what it named was removed.", "名称可能有误，或者它所指的内容已被删除。";
    not_allowed: "Pages are only read", "页面只能读取";
    not_allowed_help: "Use GET or HEAD here; images are pushed and removed under /v2/.", "此处请使用 GET 或 HEAD；推送和删除镜像请使用 /v2/。";
    too_many: "Too many requests", "请求过于频繁";
    too_many_help: "Wait a moment, then ask again.", "请稍候再试。";
    failed: "This cannot be shown now", "暂时无法显示";
    failed_help: "The registry's storage does not answer as it should. Try again; the registry's log says more.", "镜像仓库的存储没有正常响应。请重试；详情见镜像仓库的日志。";
}

impl Words {
    /// What a refusal means, and what to do.
    pub(super) fn refusal(&self, status: StatusCode) -> (&'static str, &'static str) {
        match status {
            StatusCode::UNAUTHORIZED => (self.unauthorized, self.unauthorized_help),
            StatusCode::FORBIDDEN => (self.denied, self.denied_help),
            StatusCode::NOT_FOUND => (self.not_found, self.not_found_help),
            StatusCode::METHOD_NOT_ALLOWED => (self.not_allowed, self.not_allowed_help),
            StatusCode::TOO_MANY_REQUESTS => (self.too_many, self.too_many_help),
            _ => (self.failed, self.failed_help),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_say_what_they_would_rather_read() {
        let check = |text: &str, expected: Language| assert_eq!(Language::preferred(text), expected, "{text:?}");
        check("", Language::English);
        check("zh-CN,zh;q=0.9,en;q=0.8", Language::Chinese);
        check("en-US,en;q=0.9,zh;q=0.8", Language::English);
        check("en;q=0.5, zh-Hans-CN;q=0.501", Language::Chinese);
        check("de, zh;q=0.1", Language::Chinese);
        check("zh;q=0", Language::English);
        check("zh;q=x, fr", Language::English);
        check("ZH", Language::Chinese);
        check("zhuang", Language::English);
    }

    #[test]
    fn everything_is_said_in_both_languages() {
        for (english, chinese) in BOTH {
            assert!(english.is_ascii() && !english.is_empty(), "{english}");
            assert!(chinese.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)), "{chinese}");
        }
    }
}
