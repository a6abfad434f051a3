#include "jpeg/decoder.hpp"

#include <algorithm>

#include "jpeg/workspace.hpp"

namespace imnet {

JpegDecoder::JpegDecoder() : work_(std::make_unique<Workspace>()) {}
JpegDecoder::~JpegDecoder() = default;

JpegStatus JpegDecoder::open(const uint8_t* data, size_t nbytes, uint64_t max_pixels) {
  JpegStatus status = open_any(data, nbytes, max_pixels);
  if (status) status = header_.decodable();
  return status ? header_.irregular : status;
}

JpegStatus JpegDecoder::open_any(const uint8_t* data, size_t nbytes, uint64_t max_pixels) {
  data_ = data;
  nbytes_ = nbytes;
  is_packed_ = is_packed(data, nbytes);
  JpegStatus status;
  if (is_packed_) status = packed_file_.read(data, nbytes);
  if (status) status = read_any_header(data, nbytes, header_);
  if (is_packed_ && !status) return status;
  // a header that breaks the standard may be read by other decoders in their own way
  if (!status) return {JpegCode::unsupported, status.text, status.offset};
  if (uint64_t(header_.width) * uint64_t(header_.height) > max_pixels)
    return {JpegCode::too_large, "more pixels than allowed", 0};
  return {};
}

ByteRange JpegDecoder::needed(const Box& box) const {
  return is_packed_ ? packed_file_.range(header_, McuRegion(header_, box)) : ByteRange{0, 0};
}

JpegStatus JpegDecoder::decode(const Box& box, uint8_t* out, ptrdiff_t out_stride) {
  if (!box_within(box, header_.width, header_.height))
    return bad_box();
  if (is_packed_) return packed_.decode(packed_file_, header_, box, out, out_stride);
  work_->data = data_;
  work_->nbytes = nbytes_;
  return work_->decode(header_, box, out, out_stride);
}

JpegStatus JpegDecoder::check(bool is_sound) {
  if (is_packed_) return packed_.check(packed_file_, header_);
  work_->data = data_;
  work_->nbytes = nbytes_;
  return work_->check(header_, is_sound);
}

void JpegDecoder::Workspace::start(const JpegHeader& of, const Box& part) {
  header = &of;
  box = part;
  region = McuRegion(*header, box);
  use = &kernels();
}

// Each block takes two bits at least: no memory for images whose data cannot be there.
bool JpegDecoder::Workspace::can_be_there() const {
  int64_t blocks = 0;
  for (int i = 0; i < header->component_count; ++i)
    blocks += header->component_count == 1 ? 1 : header->components[i].h * header->components[i].v;
  return blocks * header->mcu_columns() * (region.lower - 1) <= 4 * int64_t(nbytes);
}

JpegStatus JpegDecoder::Workspace::decode(const JpegHeader& of, const Box& part, uint8_t* to,
                                          ptrdiff_t stride) {
  start(of, part);
  keep = true;
  is_sound = false;
  out = to;
  out_stride = stride;
  rows_written = box.upper;
  if (!can_be_there()) return damaged(kEndsEarly, nbytes);
  planes.plan(*header, box, region);
  return decode_scans();
}

JpegStatus JpegDecoder::Workspace::check(const JpegHeader& of, bool known_sound) {
  start(of, {0, 0, of.width, of.height});
  keep = false;
  is_sound = known_sound;
  return can_be_there() ? decode_scans() : damaged(kEndsEarly, nbytes);
}

JpegStatus JpegDecoder::Workspace::plan_scan() {
  const JpegScan& now = header->scan;
  for (int i = 0; i < now.count; ++i)
    if (!header->quant_defined[header->components[now.component[i]].quant])
      return damaged("a quantisation table is missing", now.sos_offset);
  plan_region();
  if (is_sound) return {};
  walking = !keep && walk.plan(*header);
  return walking ? JpegStatus() : plan_blocks();
}

JpegStatus JpegDecoder::Workspace::plan_blocks() {
  const JpegScan& now = header->scan;
  dc_tables.start_scan();
  ac_tables.start_scan();
  plan.block_count = 0;
  const bool alone = now.count == 1;
  for (int i = 0; i < now.count; ++i) {
    const int which = now.component[i];
    const JpegComponent& part = header->components[which];
    const DcTable* dc = dc_tables.get(header->dc[now.dc[i]]);
    const AcTable* ac = ac_tables.get(header->ac[now.ac[i]]);
    if (dc == nullptr || ac == nullptr)
      return damaged("a Huffman table is missing, or is none", now.sos_offset);
    for (int k = 0; k < 64; ++k)
      quant[which][kZigzagPlaces[k]] = int16_t(header->quant[part.quant][k]);
    const int h = alone ? 1 : part.h, v = alone ? 1 : part.v;
    for (int y = 0; y < v; ++y)
      for (int x = 0; x < h; ++x) {
        ScanBlock& block = plan.blocks[plan.block_count++];
        block = {dc, ac, quant[which], nullptr, 0, 0, 0, which};
        if (!keep) continue;
        const Plane& plane = planes.plane(which);
        block.stride = plane.stride;
        block.column_step = 8 * h;
        block.row_step = 8 * v * plane.stride;
        block.samples = plane.samples - plane.left - plane.upper * plane.stride +
                        8 * (x + y * plane.stride);
      }
  }
  plan.first_column = wanted.left;
  plan.last_column = wanted.right;
  return {};
}

void JpegDecoder::Workspace::plan_region() {
  const JpegScan& now = header->scan;
  wanted = region;
  columns = header->mcu_columns();
  rows = header->mcu_rows();
  if (now.count > 1 || header->component_count == 1) return;
  const JpegComponent& part = header->components[now.component[0]];
  columns = (header->component_width(now.component[0]) + 7) / 8;
  rows = (header->component_height(now.component[0]) + 7) / 8;
  wanted.left = region.left * part.h;
  wanted.upper = region.upper * part.v;
  wanted.right = std::min(region.right * part.h, columns);
  wanted.lower = std::min(region.lower * part.v, rows);
}

JpegStatus JpegDecoder::Workspace::decode_scans() {
  streaming = header->scan.count == header->component_count;
  JpegHeader later = *header;
  later.irregular = {};  // open() has judged it
  header = &later;
  JpegStatus status = decode_scan();
  int seen = 0;
  for (;;) {
    if (!status) return status;
    for (int i = 0; i < later.scan.count; ++i) seen |= 1 << later.scan.component[i];
    if (seen + 1 == 1 << later.component_count) break;
    status = next_scan(later, seen);
    if (status) status = decode_scan();
  }
  if (keep) write_rows(region.lower);
  const bool read_all = box.right == header->width && box.lower == header->height;
  return read_all ? later.read_end(data, nbytes, scan_end - data) : status;
}

JpegStatus JpegDecoder::Workspace::next_scan(JpegHeader& later, int seen) const {
  bool found = false;
  const JpegStatus status = later.read_next_scan(data, nbytes, later.scan.data_offset, found);
  if (!status && status.offset == nbytes) return status;
  if (!status) return unsupported(status.text, status.offset);
  if (!found) return unsupported("a component has no scan", nbytes);
  for (int i = 0; i < later.scan.count; ++i)
    if (seen >> later.scan.component[i] & 1)
      return unsupported("a second scan of the same component", later.scan.sos_offset);
  return later.irregular;
}

JpegStatus JpegDecoder::Workspace::decode_scan() {
  const JpegStatus status = plan_scan();
  if (!status) return status;
  if (is_sound) {
    pass_scan();
    return {};
  }
  if (header->restart_interval != 0) return decode_intervals();
  return decode_interval(
      {data + header->scan.data_offset, data + nbytes, 0, int64_t(columns) * rows});
}

void JpegDecoder::Workspace::pass_scan() {
  const uint8_t* const end = data + nbytes;
  scan_end = use->next_marker(data + header->scan.data_offset, end);
  while (header->restart_interval != 0 && end - scan_end >= 2 && (scan_end[1] & 0xF8) == 0xD0)
    scan_end = use->next_marker(scan_end + 2, end);
}

// The walk has said that the data is not sound: it is decoded, to find the place.
JpegStatus JpegDecoder::Workspace::look_closer() {
  walking = false;
  return plan_blocks();
}

}  // namespace imnet
