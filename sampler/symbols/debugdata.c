/*
 * .gnu_debugdata: an ELF file with function symbols only, packed with xz inside a stripped one. The packed
 * size and the unpacked size are hostile, so both are bounded, and so is the memory of the decoder.
 */
#include "sampler/symbols/symbol_table.h"

#include <lzma.h>
#include <stdlib.h>

#define PACKED_MAX (64U << 20)
#define UNPACKED_MAX (256U << 20)
#define DECODER_MEMORY_MAX (128U << 20)

uint8_t *n1_debugdata_unpack(const struct n1_elf *elf, size_t *ret_len)
{
    size_t packed_len, capacity = 0;
    uint8_t *packed =
        n1_elf_section_read(elf, n1_elf_section(elf, ".gnu_debugdata"), PACKED_MAX, &packed_len);
    uint8_t *image = NULL;
    lzma_stream stream = LZMA_STREAM_INIT;
    lzma_ret rc = LZMA_DATA_ERROR;
    if (!packed)
        return NULL;
    if (lzma_stream_decoder(&stream, DECODER_MEMORY_MAX, 0) == LZMA_OK) {
        stream.next_in = packed;
        stream.avail_in = packed_len;
        do {
            if (stream.avail_out == 0) {
                size_t grown = capacity ? capacity * 2 : packed_len * 4 + 4096;
                uint8_t *bigger = grown <= UNPACKED_MAX ? realloc(image, grown) : NULL;
                if (!bigger)
                    break;
                image = bigger;
                stream.next_out = image + capacity;
                stream.avail_out = grown - capacity;
                capacity = grown;
            }
            rc = lzma_code(&stream, LZMA_FINISH);
        } while (rc == LZMA_OK);
    }
    *ret_len = (size_t)stream.total_out;
    lzma_end(&stream);
    free(packed);
    if (rc != LZMA_STREAM_END) {
        free(image);
        image = NULL;
    }
    return image;
}
