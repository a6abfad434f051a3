// What Python sees of the JPEG core; imnet_data.jpeg has the documentation.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>

#include <optional>
#include <tuple>
#include <vector>

#include "bind/module.hpp"
#include "jpeg/crop.hpp"
#include "jpeg/decoder.hpp"
#include "jpeg/examine.hpp"
#include "jpeg/seekable.hpp"
#include "packed/packer.hpp"
#include "packed/restorer.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace imnet {
namespace {

using BoxTuple = std::tuple<int, int, int, int>;
using Image = nb::ndarray<nb::numpy, uint8_t, nb::shape<-1, -1, 3>, nb::c_contig>;

const char* error_name(JpegCode code) {
  switch (code) {
    case JpegCode::unsupported:
      return "UnsupportedJpeg";
    case JpegCode::not_seekable:
      return "NotSeekable";
    case JpegCode::not_packable:
      return "NotPackable";
    default:
      return "ImageError";
  }
}

void require(const JpegStatus& status) {
  if (status) return;
  if (status.code == JpegCode::bad_box) throw nb::value_error(message(status).c_str());
  const nb::object error = nb::module_::import_("imnet_data.errors").attr(error_name(status.code));
  PyErr_SetString(error.ptr(), message(status).c_str());
  throw nb::python_error();
}

JpegDecoder& thread_decoder() {
  thread_local JpegDecoder decoder;
  return decoder;
}

Box whole_or(const std::optional<BoxTuple>& box, const JpegHeader& header) {
  if (!box) return {0, 0, header.width, header.height};
  return std::apply([](auto... sides) { return Box{sides...}; }, *box);
}

void require_box(const Box& box, const JpegHeader& header) {
  if (box_within(box, header.width, header.height)) return;
  const Box whole = {0, 0, header.width, header.height};
  throw nb::value_error(("box is " + box_text(box) + "; it must not be empty, and lie within " +
                         box_text(whole))
                            .c_str());
}

Image decode(nb::handle jpeg, const std::optional<BoxTuple>& part, uint64_t max_pixels,
             bool irregular) {
  const Bytes bytes(jpeg);
  JpegDecoder& decoder = thread_decoder();
  if (irregular) {
    require(decoder.open_any(bytes.data(), bytes.size(), max_pixels));
    require(decoder.header().decodable());
  } else {
    require(decoder.open(bytes.data(), bytes.size(), max_pixels));
  }
  const Box box = whole_or(part, decoder.header());
  require_box(box, decoder.header());
  const size_t height = box.height(), width = box.width();
  auto* const pixels = new uint8_t[height * width * 3];
  const nb::capsule owner(pixels, [](void* p) noexcept { delete[] static_cast<uint8_t*>(p); });
  JpegStatus status;
  {
    const Unlocked unlocked;
    status = decoder.decode(box, pixels, static_cast<ptrdiff_t>(width) * 3);
  }
  require(status);
  return Image(pixels, {height, width, 3}, owner);
}

nb::dict examine(nb::handle jpeg, uint64_t max_pixels, bool is_sound) {
  const Bytes bytes(jpeg);
  JpegDecoder& decoder = thread_decoder();
  JpegExamination found;
  {
    const Unlocked unlocked;
    found = examine_jpeg(decoder, bytes.data(), bytes.size(), max_pixels, is_sound);
  }
  const auto text = [](const JpegStatus& status) {
    return status ? std::string() : status.text + place(status);
  };
  nb::dict fields;
  fields["width"] = decoder.header().width;
  fields["height"] = decoder.header().height;
  fields["components"] = decoder.header().component_count;
  fields["too_large"] = found.header.code == JpegCode::too_large;
  fields["header"] = text(found.header);
  fields["coding"] = text(found.coding);
  fields["structure"] = text(found.structure);
  fields["data"] = text(found.data);
  return fields;
}

bool is_regular(nb::handle jpeg) {
  const Bytes bytes(jpeg);
  JpegHeader found;
  return read_any_header(bytes.data(), bytes.size(), found) && found.irregular;
}

nb::dict header(nb::handle jpeg) {
  const Bytes bytes(jpeg);
  JpegHeader found;
  require(read_any_header(bytes.data(), bytes.size(), found));
  nb::list sampling;
  for (int i = 0; i < found.component_count; ++i)
    sampling.append(nb::make_tuple(found.components[i].h, found.components[i].v));
  nb::dict fields;
  fields["width"] = found.width;
  fields["height"] = found.height;
  fields["components"] = found.component_count;
  fields["sampling"] = nb::tuple(sampling);
  fields["frame"] = found.sof;
  fields["precision"] = found.precision;
  fields["restart_interval"] = found.restart_interval;
  fields["jfif"] = found.jfif;
  fields["adobe_transform"] = found.adobe_transform;
  fields["is_rgb"] = found.rgb();
  fields["scan_offset"] = found.scan.data_offset;
  const JpegStatus status = found.decodable();
  fields["unsupported"] = status ? "" : status.text;
  return fields;
}

template <typename Rewriter, typename Rewrite>
nb::bytes rewritten(nb::handle jpeg, Rewrite rewrite) {
  const Bytes bytes(jpeg);
  std::vector<uint8_t> out;
  JpegStatus status;
  {
    const Unlocked unlocked;
    thread_local Rewriter rewriter;
    out.reserve(bytes.size() + bytes.size() / 3 + 4096);
    status = rewrite(rewriter, bytes.data(), bytes.size(), out);
  }
  require(status);
  return nb::bytes(out.data(), out.size());
}

nb::bytes seekable(nb::handle jpeg, int target_width, bool joined) {
  return rewritten<JpegRewriter>(jpeg, [&](JpegRewriter& rewriter, auto data, size_t nbytes, auto& out) {
    return rewriter.seekable(data, nbytes, target_width, joined, out);
  });
}

nb::bytes pack(nb::handle jpeg, int target_width) {
  return rewritten<JpegPacker>(jpeg, [&](JpegPacker& packer, auto data, size_t nbytes, auto& out) {
    return packer.pack(data, nbytes, target_width, out);
  });
}

nb::bytes unpack(nb::handle packed) {
  return rewritten<PackedRestorer>(packed,
                                   [](PackedRestorer& restorer, auto data, size_t nbytes, auto& out) {
                                     return restorer.restore(data, nbytes, out);
                                   });
}

nb::bytes restore(nb::handle jpeg, bool is_hashed) {
  return rewritten<JpegRewriter>(jpeg, [&](JpegRewriter& rewriter, auto data, size_t nbytes, auto& out) {
    return rewriter.restore(data, nbytes, is_hashed, out);
  });
}

nb::tuple crop(nb::handle jpeg, const BoxTuple& part) {
  const Bytes bytes(jpeg);
  JpegHeader found;
  require(found.read(bytes.data(), bytes.size()));
  const Box box = whole_or(part, found);
  require_box(box, found);
  std::vector<uint8_t> out;
  Box inside;
  JpegStatus status;
  {
    const Unlocked unlocked;
    status = crop_jpeg(bytes.data(), bytes.size(), box, out, inside);
  }
  require(status);
  return nb::make_tuple(nb::bytes(out.data(), out.size()),
                        nb::make_tuple(inside.left, inside.upper, inside.right, inside.lower));
}

}  // namespace

void bind_jpeg(nb::module_& m) {
  m.def("jpeg_crop", &crop, "jpeg"_a, "box"_a);
  m.def("jpeg_seekable", &seekable, "jpeg"_a, "target_width"_a, "joined"_a);
  m.def("jpeg_pack", &pack, "jpeg"_a, "target_width"_a);
  m.def("jpeg_unpack", &unpack, "packed"_a);
  m.def("jpeg_restore", &restore, "jpeg"_a, "is_hashed"_a = false);
  m.def("jpeg_header", &header, "jpeg"_a);
  m.attr("MAX_PIXELS") = JpegDecoder::kMaxPixels;
  m.def("jpeg_examine", &examine, "jpeg"_a, "max_pixels"_a, "is_sound"_a = false);
  m.def("jpeg_is_regular", &is_regular, "jpeg"_a);
  m.def("jpeg_decode", &decode, "jpeg"_a, "box"_a.none(), "max_pixels"_a, "irregular"_a);
}

}  // namespace imnet
