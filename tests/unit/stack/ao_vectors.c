/* SPDX-License-Identifier: MIT */
/* The test vectors of RFC 9235: for each packet the traffic key that is derived for it, and the MAC
 * that it carries. Numbered as the sections there. */
#include "stack/ao.h"

#include "tap.h"
#include "weir/loop.h"

#include <stdlib.h>
#include <string.h>

#define V6_HEAD 40
#define V4_HEAD 20

struct vector {
    const char *section;
    enum weir_mac mac;
    bool skip_options;
    uint32_t from_iss, to_iss;
    const char *packet, *traffic_key;
};

#define SHA1 WEIR_MAC_HMAC_SHA1
#define AES  WEIR_MAC_AES128_CMAC

/* The text of the BGP messages that the packets carry, from where they are the same. */
#define MARKER "ffffffffffffffffffffffffffffffff"
#define OPEN   "26020601040001000102028000020202000202420002064104000"

static const struct vector vectors[] = {
    { "4.1.1", SHA1, false, 0xfbfbab5a, 0,
      "45e0004cdd0f4000ff06bf6b0a0b0c0dac1b1c1de9d700b3fbfbab5a00000000e002ffffcac40000"
      "020405b40103030804 02080a00155ab7000000001d103d542ee437c6f8ede6d7c4d602e7",
      "6d63ef1b02fe1509d4b1402707fd7b0416abb74f" },
    { "4.1.2", SHA1, false, 0x11c14261, 0xfbfbab5a,
      "45e0004c65064000ff063775ac1b1c1d0a0b0c0d00b3e9d711c14261fbfbab5be012ffff37760000"
      "020405b4010303080402080a84a50beb00155ab71d10543deeab0fe24c3010815116b3be",
      "d9e217e4834a80ca2f3fd8de2e41b8e6797fea96" },
    { "4.1.3", SHA1, false, 0xfbfbab5a, 0x11c14261,
      "45e0008736a14000ff06659f0a0b0c0dac1b1c1de9d700b3fbfbab5b11c14262c0180104a1620000"
      "0101080a00155ac184a50beb1d103d547064cf998cc6c315c2c2e2bf" MARKER
      "00430104dabf00b40a0b0c0d" OPEN "0dabf02084006006400010100",
      "d2e59c65ffc7b1a393476564 63b70edc24a13d71" },
    { "4.1.4", SHA1, false, 0x11c14261, 0xfbfbab5a,
      "45e000871fa94000ff067c97ac1b1c1d0a0b0c0d00b3e9d711c14262fbfbab9ec0180100400c0000"
      "0101080a84a50bf500155ac11d10543da63f0ecbbb2e635c954deac7" MARKER
      "00430104dac000b4ac1b1c1d" OPEN "0dac002084006006400010100",
      "d9e217e4834a80ca2f3fd8de2e41b8e6797fea96" },
    { "4.2.1", SHA1, true, 0xcb0efbee, 0,
      "45e0004c53994000ff0648e20a0b0c0dac1b1c1dff1200b3cb0efbee00000000e002ffff541f0000"
      "020405b4010303080402080a00024cce000000001d103d5480af3cfeb85368937b8f9ec2",
      "30eaa1560cf0be57dab5c045229fb10a423cd7ea" },
    { "4.2.2", SHA1, true, 0xacd5b5e1, 0xcb0efbee,
      "45e0004c32844000ff0669f7ac1b1c1d0a0b0c0d00b3ff12acd5b5e1cb0efbefe012ffff388e0000"
      "020405b4010303080402080a576772f300024cce1d10543d09306f9acea63a8c68cb9a70",
      "b5b2896bb3664e8176b0edc6e799524101a8307f" },
    { "4.2.3", SHA1, true, 0xcb0efbee, 0xacd5b5e1,
      "45e00087a8f54000ff06f34a0a0b0c0dac1b1c1dff1200b3cb0efbefacd5b5e2c01801046c450000"
      "0101080a00024cce576772f31d103d54710608cc696c03a271c93aa5" MARKER
      "00430104dabf00b40a0b0c0d" OPEN "0dabf02084006006400010100",
      "f3db1793d7910ecd806c34f155ea1f00345953e3" },
    { "4.2.4", SHA1, true, 0xacd5b5e1, 0xcb0efbee,
      "45e0008754374000ff064809ac1b1c1d0a0b0c0d00b3ff12acd5b5e2cb0efc32c018010046b60000"
      "0101080a576772f300024cce1d10543d97766e48ac262de9ae61b4f9" MARKER
      "00430104dac000b4ac1b1c1d" OPEN "0dac002084006006400010100",
      "b5b2896bb3664e8176b0edc6e799524101a8307f" },
    { "5.1.1", AES, false, 0x787a1ddf, 0,
      "45e0004c7b9f4000ff0620dc0a0b0c0dac1b1c1dc4fa00b3787a1ddf00000000e002ffff5a0f0000"
      "020405b4010303080402080a00017ed0000000001d103d54e477e99c8040765498e55091",
      "f5b8b3d5f34fdbb6eb8d4ab9660e60e3" },
    { "5.1.2", AES, false, 0xfadd6de9, 0x787a1ddf,
      "45e0004c4bad4000ff0650ceac1b1c1d0a0b0c0d00b3c4fafadd6de9787a1de0e012fffff3f20000"
      "020405b4010303080402080a93f4e9e800017ed01d10543dd6ada7bc4cdd536d1769db5f",
      "4bc7571a486f3264bbd888474066b4b1" },
    { "5.1.3", AES, false, 0x787a1ddf, 0xfadd6de9,
      "45e00087fb4f4000ff06a0f00a0b0c0dac1b1c1dc4fa00b3787a1de0fadd6deac018010495050000"
      "0101080a00017ed093f4e9e81d103d5477412742fa4dc433eff0973e" MARKER
      "00430104dabf00b40a0b0c0d" OPEN "0dabf02084006006400010100",
      "8c8ae0e8371ec5cbb97ea79d90418391" },
    { "5.1.4", AES, false, 0xfadd6de9, 0x787a1ddf,
      "45e00087b9144000ff06e32bac1b1c1d0a0b0c0d00b3c4fafadd6dea787a1e23c0180100e7db0000"
      "0101080a93f4e9e800017ed01d10543df6d965a78382a74845f72dac" MARKER
      "00430104dac000b4ac1b1c1d" OPEN "0dac002084006006400010100",
      "4bc7571a486f3264bbd888474066b4b1" },
    { "5.2.1", AES, true, 0x389bed71, 0,
      "45e0004cf22e4000ff06aa4c0a0b0c0dac1b1c1dda1c00b3389bed7100000000e002ffff70bf0000"
      "020405b4010303080402080a000185e1000000001d103d54c44e60cb31f7c0b1de3d2749",
      "2cdbae1392c49449fa92c4509735d50e" },
    { "5.2.2", AES, true, 0xd3844a6f, 0x389bed71,
      "45e0004c6cc04000ff062fbbac1b1c1d0a0b0c0d00b3da1cd3844a6f389bed72e012ffffe4450000"
      "020405b4010303080402080ace459838000185e11d10543d3a6abb207e49b1be7136db90",
      "3ce67a551869506b6347b633c50a624a" },
    { "5.2.3", AES, true, 0x389bed71, 0xd3844a6f,
      "45e00087ee914000ff06adae0a0b0c0dac1b1c1dda1c00b3389bed72d3844a70c018010488510000"
      "0101080a000185e1ce4598381d103d547585e9e9d5c3ec857b96f837" MARKER
      "00430104dabf00b40a0b0c0d" OPEN "0dabf02084006006400010100",
      "035bc400a341ffe595f59f58005006ca" },
    { "5.2.4", AES, true, 0xd3844a6f, 0x389bed71,
      "45e000876a214000ff06321fac1b1c1d0a0b0c0d00b3da1cd3844a70389bed72c018010004490000"
      "0101080ace459838000185e11d10543d5c040fd9233304765c0982f4" MARKER
      "00430104dac000b4ac1b1c1d" OPEN "0dac002084006006400010100",
      "3ce67a551869506b6347b633c50a624a" },
    { "6.1.1", SHA1, false, 0x176a833f, 0,
      "6e0891dc00380640fd000000000000000000000000000001fd000000000000000000000000000002"
      "f7e400b3176a833f00000000e002ffff47210000020405a0010303080402080a0041d08700000000"
      "1d103d549033ec3d7334b64c5edd039f",
      "625ec09d575836edc9b6428418bbf06989a361bb" },
    { "6.1.2", SHA1, false, 0x3f51994b, 0x176a833f,
      "6e01009e00380640fd000000000000000000000000000002fd000000000000000000000000000001"
      "00b3f7e43f51994b176a8340e012ffffbfec0000020405a0010303080402080abd33129b0041d087"
      "1d10543df1cba346c3526163f71f1f55",
      "e4a37ada2a0afca8711434913fe138c771ebcb4a" },
    { "6.1.3", SHA1, false, 0x176a833f, 0x3f51994b,
      "6e0891dc00730640fd000000000000000000000000000001fd000000000000000000000000000002"
      "f7e400b3176a83403f51994cc0180100329c00000101080a0041d091bd33129b1d103d54bf0805fe"
      "b4ac7b163d6fcdf2" MARKER "00430104fde800b401010179" OPEN "0fde802084006006400010100",
      "1ed82975f4ea444c61580c5bd90dbd61bbc91b7e" },
    { "6.1.4", SHA1, false, 0x3f51994b, 0x176a833f,
      "6e01009e00730640fd000000000000000000000000000002fd000000000000000000000000000001"
      "00b3f7e43f51994c176a8383c0180100ee6e00000101080abd3312a50041d0911d10543d6c48125c"
      "11335bab9a07a797" MARKER "00430104fde800b40101017a" OPEN "0fde802084006006400010100",
      "e4a37ada2a0afca8711434913fe138c771ebcb4a" },
    { "6.2.1", SHA1, true, 0x020c1e69, 0,
      "6e078fcd00380640fd000000000000000000000000000001fd000000000000000000000000000002"
      "c6cd00b3020c1e6900000000e002ffffa41a0000020405a0010303080402080a009db95b00000000"
      "1d103d54885698b0530ed4d5a15f8346",
      "31a3faf69effae52931b7f845467315c270a4edc" },
    { "6.2.2", SHA1, true, 0xeba3734d, 0x020c1e69,
      "6e0a7e1f00380640fd000000000000000000000000000002fd000000000000000000000000000001"
      "00b3c6cdeba3734d020c1e6ae012ffff774d0000020405a0010303080402080a5ec99b70009db95b"
      "1d10543d3c546bad9743f12df8b8010d",
      "405108947f996575e7bdbc26d40216a2c7fa91bd" },
    { "6.2.3", SHA1, true, 0x020c1e69, 0xeba3734d,
      "6e078fcd00730640fd000000000000000000000000000001fd000000000000000000000000000002"
      "c6cd00b3020c1e6aeba3734ec018010083e600000101080a009db9655ec99b701d103d5448bd093b"
      "1924e001192f5bf0" MARKER "00430104fde800b401010179" OPEN "0fde802084006006400010100",
      "b34eed6a9396a669f1c4f4f57618f3656f52c7ab" },
    { "6.2.4", SHA1, true, 0xeba3734d, 0x020c1e69,
      "6e0a7e1f00730640fd000000000000000000000000000002fd000000000000000000000000000001"
      "00b3c6cdeba3734e020c1eadc0180100716a00000101080a5ec99b7a009db9651d10543d559a8194"
      "45b4fde98d9e1317" MARKER "00430104fde800b40101017a" OPEN "0fde802084006006400010100",
      "405108947f996575e7bdbc26d40216a2c7fa91bd" },
    { "7.1.1", AES, false, 0x193cccec, 0,
      "6e04a70600380640fd000000000000000000000000000001fd000000000000000000000000000002"
      "f85a00b3193cccec00000000e002ffffde5d0000020405a0010303080402080a13e4ab9900000000"
      "1d103d5459b588107481ac6dc3927040",
      "fa5a2108882d39d0c71929175ab1b7b8" },
    { "7.1.2", AES, false, 0xa6744ecb, 0x193cccec,
      "6e06152000380640fd000000000000000000000000000002fd000000000000000000000000000001"
      "00b3f85aa6744ecb193ccced e012ffffeabb0000020405a0010303080402080a71daabc813e4ab99"
      "1d10543ddc2843a84e78a6bcfdc5ed80",
      "cf1b1e225e06a63616764a067b46f4b1" },
    { "7.1.3", AES, false, 0x193cccec, 0xa6744ecb,
      "6e04a70600730640fd000000000000000000000000000001fd000000000000000000000000000002"
      "f85a00b3193ccceda6744eccc0180100328000000101080a13e4aba371daabc81d103d547b6a455c"
      "0d4f5f01835baab3" MARKER "00430104fde800b401010179" OPEN "0fde802084006006400010100",
      "6174c3557abed27574dba37185f00300" },
    { "7.1.4", AES, false, 0xa6744ecb, 0x193cccec,
      "6e06152000730640fd000000000000000000000000000002fd000000000000000000000000000001"
      "00b3f85aa6744ecc193ccd30c018010052f400000101080a71daabd313e4aba31d10543dc1069b7d"
      "fd3d693a6df3f289" MARKER "00430104fde800b40101017a" OPEN "0fde802084006006400010100",
      "cf1b1e225e06a63616764a067b46f4b1" },
    { "7.2.1", AES, true, 0xb01da74a, 0,
      "6e093d7600380640fd000000000000000000000000000001fd000000000000000000000000000002"
      "f28800b3b01da74a00000000e002ffff75ff0000020405a0010303080402080a14275b3b00000000"
      "1d103d543d45b4342de8bb1530847898",
      "a94f511263e4093d35dd818c13bbbf53" },
    { "7.2.2", AES, true, 0xa6246145, 0xb01da74a,
      "6e0c600a00380640fd000000000000000000000000000002fd000000000000000000000000000001"
      "00b3f288a6246145b01da74be012ffffa70c0000020405a0010303080402080a1782245b14275b3b"
      "1d10543d1d01f6c87c6f93acffa9d4b5",
      "92dea5bbc78b1d9f5b2952e9cd30642a" },
    { "7.2.3", AES, true, 0xb01da74a, 0xa6246145,
      "6e093d7600730640fd000000000000000000000000000001fd000000000000000000000000000002"
      "f28800b3b01da74ba6246146c0180100c36d00000101080a14275b4f1782245b1d103d54290cf414"
      "ccb47a333276e7f8" MARKER "00430104fde800b401010179" OPEN "0fde802084006006400010100",
      "4fb2086e402c679079ed65d4bf97693d" },
    { "7.2.4", AES, true, 0xa6246145, 0xb01da74a,
      "6e0c600a00730640fd000000000000000000000000000002fd000000000000000000000000000001"
      "00b3f288a6246146b01da78ec0180100345100000101080a1782246514275b4f1d10543d99515ffc"
      "d5403499f619fd1b" MARKER "00430104fde800b40101017a" OPEN "0fde802084006006400010100",
      "92dea5bbc78b1d9f5b2952e9cd30642a" },
};

static size_t unhex(const char *text, uint8_t *out)
{
    size_t n = 0;
    for (; *text != '\0'; text += 2) {
        while (*text == ' ')
            text++;
        const char pair[3] = { text[0], text[1], '\0' };
        out[n++] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return n;
}

static struct weir_ip address(const uint8_t *p, bool v4)
{
    struct weir_ip ip = { { 0 } };
    memset(ip.octet + 10, v4 ? 0xff : 0, 2);
    memcpy(ip.octet + (v4 ? 12 : 0), p, v4 ? 4 : 16);
    return ip;
}

static void test(const struct vector *v)
{
    uint8_t packet[256], want[WEIR_MAC_MAX], traffic[WEIR_MAC_MAX] = { 0 }, mac[TCP_AO_MAC];
    const size_t len = unhex(v->packet, packet);
    const size_t key_len = unhex(v->traffic_key, want);
    const bool v4 = packet[0] >> 4 == 4;
    const uint8_t *ip = packet + (v4 ? 12 : 8);
    uint8_t *tcp = packet + (v4 ? V4_HEAD : V6_HEAD);
    const struct weir_ip from = address(ip, v4), to = address(ip + (v4 ? 4 : 16), v4);
    struct tcp_seg seg;
    struct tcp_opts opts;
    CHECK(wire_tcp_parse(tcp, len - (size_t)(tcp - packet), &seg, &opts) == WIRE_OK &&
              (opts.present & TCP_OPT_AO),
          "%s: is a segment with TCP-AO", v->section);
    const struct weir_ao_key key = {
        .mac = (uint8_t)v->mac,
        .skip_options = v->skip_options,
        .key_len = 10,
        .key = "testvector",
    };
    const struct weir_span text = { .base = (uint8_t *)(uintptr_t)seg.text, .len = seg.len };
    const struct ao_subject subject = {
        .from = &from,
        .to = &to,
        .sport = seg.sport,
        .dport = seg.dport,
        .from_iss = v->from_iss,
        .to_iss = v->to_iss,
        .head = tcp,
        .head_len = (size_t)(seg.text - tcp),
        .text = &text,
        .count = 1,
    };
    ao_traffic_key(&weir_crypto, &key, &subject, traffic);
    CHECK(memcmp(traffic, want, key_len) == 0, "%s: the traffic key", v->section);
    ao_mac(&weir_crypto, &key, &subject, mac);
    CHECK(memcmp(mac, opts.mac, sizeof mac) == 0, "%s: the MAC", v->section);
}

/* RFC 5925, 6.2: the extension goes up and down with the number, across 0. */
static void test_sne(void)
{
    static const struct {
        uint32_t sne, at, seq, want;
    } cases[] = {
        { 0, 100, 200, 0 },        { 0, 200, 100, 0 },
        { 0, 0xffffff00, 100, 1 }, { 1, 100, 0xffffff00, 0 },
        { 7, 0, 0xffffffff, 6 },   { 7, 0xffffffff, 0, 8 },
        { 7, 0x80000000, 1, 7 },   { UINT32_MAX, 0xffffffff, 5, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        CHECK(ao_sne(cases[i].sne, cases[i].at, cases[i].seq) == cases[i].want,
              "SNE of %#x, from %u at %#x", cases[i].seq, cases[i].sne, cases[i].at);
}

int main(void)
{
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++)
        test(&vectors[i]);
    test_sne();
    return tap_done();
}
