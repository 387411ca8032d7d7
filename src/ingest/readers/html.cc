#include <gumbo.h>

#include <csetjmp>
#include <cstdlib>
#include <memory>
#include <vector>

#include "base/strings.h"
#include "ingest/readers/readers_internal.h"
#include "ingest/readers/text_builder_internal.h"

namespace malmoi::ingest {
namespace {

// gumbo's scope checks walk the open elements, so nesting costs its square; browsers stop at 512.
constexpr std::size_t kDepthMax = 2000;

// Elements that may be left open: they do not tell nesting.
constexpr std::string_view kUnclosed[] = {
    "p",     "li",    "td",     "tr",    "th",    "dt",       "dd",  "option", "tbody", "thead",
    "area",  "base",  "br",     "col",   "embed", "hr",       "img", "input",  "link",  "meta",
    "tfoot", "param", "source", "track", "wbr",   "colgroup", "rt",  "rp",     "body",  "html"};

bool MayStayOpen(std::string_view name) {
  for (const std::string_view s : kUnclosed) {
    if (s == name) return true;
  }
  return false;
}

bool IsLetter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// An upper estimate of the tree's depth from the tags alone.
std::size_t DepthOf(std::string_view html) {
  std::size_t depth = 0;
  std::size_t deepest = 0;
  for (std::size_t at = html.find('<'); at != html.npos; at = html.find('<', at + 1)) {
    std::size_t name = at + 1;
    const bool closes = name < html.size() && html[name] == '/';
    name += closes;
    std::size_t end = name;
    while (end < html.size() && end - name < 16 &&
           (IsLetter(html[end]) || (html[end] >= '0' && html[end] <= '9')))
      ++end;
    if (end == name || MayStayOpen(AsciiLower(html.substr(name, end - name)))) continue;
    if (closes) {
      depth -= depth > 0;
    } else {
      deepest = std::max(deepest, ++depth);
    }
  }
  return deepest;
}

// gumbo allocates without checks and frees by recursion: an arena bounds the first and saves the
// second. Where it is full, control returns by longjmp (only C frames are left).
class Arena {
 public:
  explicit Arena(std::size_t limit) : left_(limit) {}
  ~Arena() {
    for (void* block : blocks_) std::free(block);
  }
  static void* Allocate(void* self, std::size_t n) { return static_cast<Arena*>(self)->Take(n); }
  static void Free(void*, void*) {}
  std::jmp_buf out_of_memory;

 private:
  void* Take(std::size_t n) {
    n = (n + 15) & ~std::size_t{15};
    if (n > room_) {
      const std::size_t size = std::max<std::size_t>(n, 256 << 10);
      void* block = size <= left_ ? std::malloc(size) : nullptr;
      if (block == nullptr) std::longjmp(out_of_memory, 1);
      left_ -= size;
      blocks_.push_back(block);
      next_ = static_cast<char*>(block);
      room_ = size;
    }
    void* p = next_;
    next_ += n;
    room_ -= n;
    return p;
  }
  std::vector<void*> blocks_;
  std::size_t left_;
  char* next_ = nullptr;
  std::size_t room_ = 0;
};

GumboOutput* Parse(Arena* arena, std::string_view html) {
  if (setjmp(arena->out_of_memory) != 0) return nullptr;
  GumboOptions options = kGumboDefaultOptions;
  options.allocator = &Arena::Allocate;
  options.deallocator = &Arena::Free;
  options.userdata = arena;
  options.max_errors = 0;
  return gumbo_parse_with_options(&options, html.data(), html.size());
}

enum class Role { kInline, kSkip, kBlock, kParagraph, kHeading, kPre, kCell, kBreak, kItem };

bool Hidden(const GumboElement& element) {
  return gumbo_get_attribute(&element.attributes, "hidden") != nullptr;
}

Role RoleOf(const GumboElement& element) {
  switch (element.tag) {
    case GUMBO_TAG_SCRIPT:
    case GUMBO_TAG_STYLE:
    case GUMBO_TAG_NOSCRIPT:
    case GUMBO_TAG_TEMPLATE:
    case GUMBO_TAG_NAV:
    case GUMBO_TAG_SVG:
    case GUMBO_TAG_IFRAME:
    case GUMBO_TAG_OBJECT:
    case GUMBO_TAG_SELECT:
    case GUMBO_TAG_TITLE:
    case GUMBO_TAG_HEAD:
    case GUMBO_TAG_TEXTAREA:
      return Role::kSkip;
    case GUMBO_TAG_H1:
    case GUMBO_TAG_H2:
    case GUMBO_TAG_H3:
    case GUMBO_TAG_H4:
    case GUMBO_TAG_H5:
    case GUMBO_TAG_H6:
      return Role::kHeading;
    case GUMBO_TAG_P:
    case GUMBO_TAG_BLOCKQUOTE:
    case GUMBO_TAG_UL:
    case GUMBO_TAG_OL:
    case GUMBO_TAG_DL:
    case GUMBO_TAG_TABLE:
    case GUMBO_TAG_SECTION:
    case GUMBO_TAG_ARTICLE:
    case GUMBO_TAG_FIGURE:
      return Role::kParagraph;
    case GUMBO_TAG_PRE:
      return Role::kPre;
    case GUMBO_TAG_TD:
    case GUMBO_TAG_TH:
      return Role::kCell;
    case GUMBO_TAG_BR:
    case GUMBO_TAG_HR:
      return Role::kBreak;
    case GUMBO_TAG_LI:
      return Role::kItem;
    case GUMBO_TAG_DIV:
    case GUMBO_TAG_TR:
    case GUMBO_TAG_DT:
    case GUMBO_TAG_DD:
    case GUMBO_TAG_HEADER:
    case GUMBO_TAG_FOOTER:
    case GUMBO_TAG_ASIDE:
    case GUMBO_TAG_MAIN:
    case GUMBO_TAG_FORM:
    case GUMBO_TAG_FIELDSET:
    case GUMBO_TAG_ADDRESS:
    case GUMBO_TAG_FIGCAPTION:
    case GUMBO_TAG_CAPTION:
    case GUMBO_TAG_DETAILS:
    case GUMBO_TAG_SUMMARY:
    case GUMBO_TAG_OPTION:
    case GUMBO_TAG_CENTER:
      return Role::kBlock;
    default:
      return Role::kInline;
  }
}

// Walks the tree with its own stack: depth is the file's choice.
class HtmlText {
 public:
  explicit HtmlText(TextBuilder* out) : out_(out) {}

  void Run(const GumboNode* root) {
    Enter(root);
    while (!stack_.empty() && !out_->full()) {
      Frame& top = stack_.back();
      const GumboVector& children = top.node->v.element.children;
      if (top.next < children.length) {
        Enter(static_cast<const GumboNode*>(children.data[top.next++]));
      } else {
        const Frame done = top;
        stack_.pop_back();
        Leave(done);
      }
    }
  }

 private:
  struct Frame {
    const GumboNode* node = nullptr;
    unsigned next = 0;
    Role role = Role::kInline;
  };

  void Enter(const GumboNode* node) {
    switch (node->type) {
      case GUMBO_NODE_TEXT:
      case GUMBO_NODE_WHITESPACE:
      case GUMBO_NODE_CDATA:
        if (pre_ > 0) {
          out_->Verbatim(node->v.text.text);
        } else {
          out_->Text(node->v.text.text);
        }
        return;
      case GUMBO_NODE_ELEMENT:
        break;
      default:
        return;
    }
    const GumboElement& element = node->v.element;
    const Role role = RoleOf(element);
    if (role == Role::kSkip || Hidden(element)) return;
    switch (role) {
      case Role::kHeading:
        if (!out_->in_heading()) {
          out_->BeginHeading(static_cast<std::uint8_t>(element.tag - GUMBO_TAG_H1 + 1));
        }
        break;
      case Role::kBreak:
        if (!out_->in_heading()) out_->Line();
        break;
      case Role::kItem:
        Block();
        if (!out_->in_heading()) out_->Verbatim("- ");
        break;
      case Role::kCell:
        if (out_->in_heading()) break;
        if (node->index_within_parent > 0 && !out_->at_line_start()) out_->Cell();
        break;
      case Role::kPre:
        Paragraph();
        ++pre_;
        break;
      case Role::kParagraph:
        Paragraph();
        break;
      case Role::kBlock:
        Block();
        break;
      default:
        break;
    }
    stack_.push_back({node, 0, role});
    if (role == Role::kCell) ++cells_;
  }

  void Leave(const Frame& frame) {
    switch (frame.role) {
      case Role::kHeading:
        out_->EndHeading();
        break;
      case Role::kPre:
        --pre_;
        Paragraph();
        break;
      case Role::kParagraph:
        Paragraph();
        break;
      case Role::kCell:
        --cells_;
        break;
      case Role::kBlock:
      case Role::kItem:
        Block();
        break;
      default:
        break;
    }
  }

  // Inside a table's cell and a heading, blocks are only spaces: a row stays on its line.
  void Block() {
    if (cells_ > 0 || out_->in_heading()) {
      out_->Text(" ");
    } else {
      out_->Line();
    }
  }
  void Paragraph() {
    if (cells_ > 0 || out_->in_heading()) {
      out_->Text(" ");
    } else {
      out_->Paragraph();
    }
  }

  TextBuilder* out_;
  std::vector<Frame> stack_;
  int pre_ = 0;
  int cells_ = 0;
};

const GumboNode* Child(const GumboNode* node, GumboTag tag) {
  if (node == nullptr || node->type != GUMBO_NODE_ELEMENT) return nullptr;
  const GumboVector& children = node->v.element.children;
  for (unsigned i = 0; i < children.length; ++i) {
    const auto* child = static_cast<const GumboNode*>(children.data[i]);
    if (child->type == GUMBO_NODE_ELEMENT && child->v.element.tag == tag) return child;
  }
  return nullptr;
}

std::string TitleOf(const GumboNode* root) {
  const GumboNode* title = Child(Child(root, GUMBO_TAG_HEAD), GUMBO_TAG_TITLE);
  if (title == nullptr) return {};
  TextBuilder text(4096);
  const GumboVector& children = title->v.element.children;
  for (unsigned i = 0; i < children.length; ++i) {
    const auto* child = static_cast<const GumboNode*>(children.data[i]);
    if (child->type == GUMBO_NODE_TEXT) text.Text(child->v.text.text);
  }
  return text.document().text;
}

// For trees too deep to build: what stands between the tags.
void StripTags(std::string_view html, TextBuilder* out) {
  out->Warn("nested deeper than " + std::to_string(kDepthMax) +
            " elements: read without its structure");
  for (std::size_t at = 0; at < html.size() && !out->full();) {
    const std::size_t open = std::min(html.find('<', at), html.size());
    out->Text(html.substr(at, open - at));
    out->Line();
    const std::size_t close = html.find('>', open);
    if (close == html.npos) break;
    at = close + 1;
  }
}

}  // namespace

Result<Document> ReadHtml(Document decoded, const ReaderLimits& limits) {
  TextBuilder out(limits.text_bytes);
  std::string_view html = decoded.text;
  if (html.starts_with("\xEF\xBB\xBF")) html.remove_prefix(3);
  if (DepthOf(html) > kDepthMax) {
    StripTags(html, &out);
  } else {
    const auto arena = std::make_unique<Arena>(limits.memory_bytes / 2);
    const GumboOutput* tree = Parse(arena.get(), html);
    if (tree == nullptr) {
      return Error(Code::kOutOfRange, "the parsed page needs more than " +
                                          FormatBytes(limits.memory_bytes / 2) +
                                          " of memory: split the file or raise the limit");
    }
    HtmlText(&out).Run(tree->root);
    out.document().title = TitleOf(tree->root);
  }
  out.document().encoding = decoded.encoding;
  MALMOI_TRY(Document document, out.Finish("html"));
  if (document.title.empty() && !document.headings.empty()) {
    document.title = document.headings.front().title;
  }
  return document;
}

}  // namespace malmoi::ingest
