#include "loader/record.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <utility>

#include "kernels.hpp"

namespace imnet {
namespace {

// Kept between records; what a giant image needs beyond it is freed afterwards.
constexpr size_t kKeptNbytes = 16 << 20;

std::string size_text(int width, int height) {
  return std::to_string(width) + " x " + std::to_string(height);
}

void require(bool claim, const char* text) {
  if (!claim) throw std::invalid_argument(text);
}

// A file that is open for as long as this lives; none for a null path.
struct OpenFile {
  // a pipe that nobody writes to would be waited for; its size is 0
  explicit OpenFile(const char* path)
      : descriptor(path ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1) {}
  ~OpenFile() {
    if (descriptor >= 0) close(descriptor);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  const int descriptor;
};

Outcome unreadable(std::string text) { return {RecordCode::unreadable, std::move(text)}; }

Outcome outcome(const JpegStatus& status) {
  switch (status.code) {
    case JpegCode::ok:
      return {};
    case JpegCode::unsupported:
      return {RecordCode::unsupported, status.text};
    default:
      return {RecordCode::damaged, message(status)};
  }
}

}  // namespace

Outcome RecordWorker::make(const RecordSource& source, const RecordGeometry* geometry,
                           const std::vector<Slots>& views, size_t record, Filter filter,
                           const Normalization* normalization) noexcept {
  Outcome result;
  normalization_ = normalization;
  try {
    views_.resize(views.size());
    for (size_t v = 0; v < views.size(); ++v) {
      views_[v].geometry = geometry[v];
      views_[v].slot = views[v].of(record);
      views_[v].side = views[v].side;
      plan(views_[v], filter);
    }
    result = geometry[0].pixels ? make_from_pixels(source) : make_from_jpeg(source);
    free_excess();
  } catch (const std::exception& error) {
    result = {RecordCode::failed, error.what()};
  }
  return result;
}

Outcome RecordWorker::make_from_jpeg(const RecordSource& source) {
  const uint8_t* jpeg = nullptr;
  Outcome result = read(source, 0, source.nbytes, jpeg);
  if (result.code != RecordCode::ok) return result;
  JpegStatus status = decoder_.open(jpeg, static_cast<size_t>(source.nbytes));
  if (!status) return outcome(status);
  const RecordGeometry& geometry = views_.front().geometry;
  const int width = decoder_.header().width, height = decoder_.header().height;
  if (width != geometry.width || height != geometry.height)
    return {RecordCode::damaged, "the image is " + size_text(width, height) +
                                     " pixels, but the index says " +
                                     size_text(geometry.width, geometry.height)};

  const Box part = needed();
  const ptrdiff_t stride = ptrdiff_t{part.width()} * 3;
  const size_t nbytes = static_cast<size_t>(stride) * part.height();
  if (pixels_.size() < nbytes) pixels_.resize(nbytes);
  status = decoder_.decode(part, pixels_.data(), stride);
  if (!status) return outcome(status);
  resize(pixels_.data(), stride, part);
  return {};
}

Outcome RecordWorker::make_from_pixels(const RecordSource& source) {
  const RecordGeometry& geometry = views_.front().geometry;
  const int64_t row_nbytes = int64_t{geometry.width} * 3;
  if (source.nbytes != row_nbytes * geometry.height)
    return {RecordCode::damaged, "the image has " + std::to_string(source.nbytes) +
                                     " bytes, but the index says " +
                                     size_text(geometry.width, geometry.height) + " pixels"};
  Box part = needed();
  const uint8_t* rows = nullptr;
  Outcome result = read(source, row_nbytes * part.upper, row_nbytes * part.height(), rows);
  if (result.code != RecordCode::ok) return result;
  part.left = 0;  // whole rows were read
  resize(rows, row_nbytes, part);
  return {};
}

// Reads `nbytes` bytes of the record from `from` on; the record has that many.
Outcome RecordWorker::read(const RecordSource& source, int64_t from, int64_t nbytes,
                           const uint8_t*& bytes) {
  if (source.data != nullptr) {
    bytes = source.data + from;
    return {};
  }
  const OpenFile opened(source.file < 0 ? source.path : nullptr);
  const int file = source.file < 0 ? opened.descriptor : source.file;
  if (file < 0) return unreadable(std::strerror(errno));
  // before memory is asked for, and before the reading, which sees a file that shrinks meanwhile
  struct stat about;
  if (fstat(file, &about) != 0) return unreadable(std::strerror(errno));
  if (source.offset < 0 || source.nbytes < 0 || source.nbytes > about.st_size - source.offset)
    return unreadable("needed are " + std::to_string(source.nbytes) +
                      " bytes, but the file ends at " + std::to_string(about.st_size));
  if (source.whole && source.nbytes != about.st_size)
    return unreadable("the file has " + std::to_string(about.st_size) + " bytes, not " +
                      std::to_string(source.nbytes));
  const auto count = static_cast<size_t>(nbytes);
  if (file_.size() < count) file_.resize(count);
  for (size_t done = 0; done < count;) {
    const ssize_t got = pread(file, file_.data() + done, count - done,
                              static_cast<off_t>(source.offset + from) + static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return unreadable(std::strerror(errno));
    if (got == 0) return unreadable("the file was cut short while it was open");
    done += static_cast<size_t>(got);
  }
  bytes = file_.data();
  return {};
}

// Finds out which part of the image a view needs.
void RecordWorker::plan(View& view, Filter filter) {
  const RecordGeometry& geometry = view.geometry;
  const Box &crop = geometry.crop, &window = geometry.window;
  require(box_within(crop, geometry.width, geometry.height),
          "the crop is empty or not within the image");
  const int width = crop.width(), height = crop.height();
  const ResizeSpec spec = {width,
                           height,
                           0.0f,
                           0.0f,
                           static_cast<float>(width),
                           static_cast<float>(height),
                           geometry.resized_width,
                           geometry.resized_height,
                           window,
                           filter,
                           geometry.flip != 0};
  const Box part = view.resizer.plan(spec);
  require(0 <= geometry.place_x && geometry.place_x <= view.side - window.width() &&
              0 <= geometry.place_y && geometry.place_y <= view.side - window.height(),
          "the window does not fit into the batch");
  view.part = {crop.left + part.left, crop.upper + part.upper, crop.left + part.right,
               crop.upper + part.lower};
}

// Returns the smallest box that has the parts of all views.
Box RecordWorker::needed() const {
  Box all = views_.front().part;
  for (const View& view : views_) {
    all.left = std::min(all.left, view.part.left);
    all.upper = std::min(all.upper, view.part.upper);
    all.right = std::max(all.right, view.part.right);
    all.lower = std::max(all.lower, view.part.lower);
  }
  return all;
}

// Makes all views; `pixels` is the upper left corner of `part` of the image.
void RecordWorker::resize(const uint8_t* pixels, ptrdiff_t stride, const Box& part) {
  for (View& view : views_) {
    const uint8_t* from = pixels + (view.part.upper - part.upper) * stride +
                          ptrdiff_t{view.part.left - part.left} * 3;
    if (normalization_ == nullptr) {
      resize_into(view.slot, view, from, stride);
      continue;
    }
    const size_t count = static_cast<size_t>(view.side) * view.side;
    if (resized_.size() < 3 * count) resized_.resize(3 * count);
    resize_into(resized_.data(), view, from, stride);
    kernels().normalize(*normalization_, resized_.data(), count, view.slot);
  }
}

void RecordWorker::resize_into(uint8_t* slot, View& view, const uint8_t* pixels,
                               ptrdiff_t stride) {
  const Box& window = view.geometry.window;
  const ptrdiff_t slot_stride = static_cast<ptrdiff_t>(view.side) * 3;
  if (window.width() < view.side || window.height() < view.side)
    std::memset(slot, 0, static_cast<size_t>(slot_stride) * view.side);
  view.resizer.run(pixels, stride, 3,
                   slot + view.geometry.place_y * slot_stride + view.geometry.place_x * 3,
                   slot_stride);
}

void RecordWorker::free_excess() {
  for (std::vector<uint8_t>* buffer : {&file_, &pixels_, &resized_})
    if (buffer->size() > kKeptNbytes) std::vector<uint8_t>().swap(*buffer);
}

}  // namespace imnet
