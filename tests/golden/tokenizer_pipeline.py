#!/usr/bin/env python3
"""Writes what the reference tokenizers do with 2,000 texts, as hashes of their token ids.

usage: tokenizer_pipeline.py DATA_DIR OUT_DIR     (needs tokenizers and transformers; written with 0.23.3 and 5.24.0)

DATA_DIR/tokenizers holds gpt2, qwen2, qwen2.5, qwen3 and bert-base-uncased; OUT_DIR (tests/golden/tokenizer_pipeline) receives
  texts.jsonl         {"text": ..}: 2,000 texts, the same ones on every run
  llama3_shape.json   a tokenizer.json of Llama 3's shape, its vocabulary trained here on those texts
  xlm_roberta_shape.json  the same of XLM-R's shape: Precompiled, Metaspace, Unigram
  published.jsonl     {"name": .., "hashes": ..}: for each published vocabulary and each of the two above the hash of
                      every text's ids with special tokens, 8 hexadecimal digits each
  parts.jsonl         {"tokenizer": {..}, "hashes": ..}: tokenizers of single parts, on the first 350 texts, 4 digits
                      each. Their model
                      is not written: it spells every character as bytes, with U+0001 before each that does not begin
                      its word, so that ids show what every part did
  characters.jsonl    {"name": .., "sha256": ..}: what a property of every character of Unicode is, see character_sets

A hash is FNV-1a of 32 bits over the ids, four bytes each, the lowest first. The files pin token ids, on which every
embedding depends. They may change when a kind of text or a part is added here, or when the project decides to follow a
newer reference; then reference_characters.hpp changes with them.
"""
import base64
import hashlib
import json
import pathlib
import random
import shutil
import struct
import sys
import tempfile
import unicodedata

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
QWEN2 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = QWEN2.replace(r'\p{N}|', r'\p{N}{1,3}|')
SPECIAL = ['<|endoftext|>', '<|im_start|>', '<|im_end|>', '<|begin_of_text|>', '<|end_of_text|>', '<|eot_id|>', '<s>', '</s>', '<mask>',
           '<unk>', '<pad>', '[CLS]', '[SEP]', '[MASK]', '[UNK]', '<think>', '</think>', '<tool_call>', '<|object_ref_start|>', '<0x41>']
WORDS = ("the of and to in a is that for it as was with be by on not he i this are or his from at which but have an had they you were their one "
         "all we can her has there been if more when will would who so no out up into than them only some could these two may then do first any my "
         "now such like other how our new time very because people year think know take good make work Don't I'll WE'VE it's they'd you're I'M "
         "embedding retrieval reasoning gradient contrastive theorem protein quantum economy photosynthesis internationalization").split()
LINES = [
    'The quick brown fox jumps over the lazy dog.', "don't DON'T I'LL we've 'S 's 'ſ it'ſ 'T'Re 'vE 'm'M", 'Ångström, naïve café, Straße, ﬁne ﬂuﬀ ẞ',
    'İstanbul IĞDIR ΑΒΓΔ Σίσυφος ΟΔΟΣ ǅ ŉ ΐ', 'Việt Nam; Łódź; Čeština; Ελληνικά; русский Ёлка', '我喜欢吃苹果，你呢？ 東京スカイツリー ﾊﾝｶｸ が ガ', '한국어 형태소 분석 각 힣 ㄱㄴ',
    '𠀀𠮷野家 㐀 豈 丽 𫝀 𫠠 𬺰', 'اللُّغَةُ العَرَبِيَّة ١٢٣ ؟ ـــ', 'हिन्दी में लिखा क्षत्रिय क़ ๑๒๓', 'עִבְרִית ־ שָׁלוֹם', 'தமிழ் తెలుగు ಕನ್ನಡ മലയാളം বাংলা ಠ_ಠ',
    '👩‍👩‍👧‍👦 👍🏽 🇩🇪 ❤️ 🏴󠁧󠁢󠁥󠁮󠁧󠁿 ☃️ 1️⃣', 'zero\u200bwidth\u200cjoin\u200der \ufeff word\u2060joiner soft\u00adhyphen',
    'controls \x01\x08\x0b\x0c\x1f\x7f\x80\x85\x9f end', 'tabs\tand\r\nlines\n\n\n  \n \u2028para\u2029graph\u00a0nbsp\u3000wide\u1680ogham', '... !!! ?!?! --- ___ «» “quoted” ‽ 、。「」\n\n',
    '$100.50 £20 1,000,000 50% 3.14159e-10 1/2 ½ x² H₂O №5 Ⅷ ① 123456789', 'for (int i = 0; i < n; ++i) {\n\t\ta[i] |= b->c[i] << 2;\n}  // done', "def f(x):\n    return {'k': [x**2, None]}  # λ",
    'e\u0301 a\u030a\u0323 o\u0302\u0301 \u0301alone q\u0307\u0323 A\u0301', 'newer \u1ac0 \u08ca \u2e5d \ua7cb \ua7dc \U00010d50 \U00010d43 \U0001e94a \U000116d5 \U00011f5a \U0001f138 \U0002ebf5',
    'nonchar \ufffe \uffff private \ue000 unassigned \u0378 \ufffd', 'ＦＵＬＬ　ｗｉｄｔｈ １２３ ！？ ㌕ ﷺ ㋿', 'K Å Ω ℃ ™ ® \u202eright\u202c', 'a▁b ▁▁c ▁', '   leading and trailing   ', 'a' + '\u0300' * 9 + 'b',
]
SCRIPTS = [(0x20, 0x7e), (0xa0, 0x24f), (0x300, 0x36f), (0x370, 0x52f), (0x590, 0x6ff), (0x900, 0xdff), (0xe00, 0xfff), (0x1100, 0x11ff), (0x1d00, 0x1fff),
           (0x2000, 0x206f), (0x2070, 0x2bff), (0x3000, 0x30ff), (0x3200, 0x33ff), (0x4e00, 0x9fff), (0xac00, 0xd7a3), (0xf900, 0xffef), (0x10000, 0x11fff),
           (0x16000, 0x16fff), (0x1d000, 0x1d7ff), (0x1e000, 0x1e9ff), (0x1f100, 0x1faff), (0x20000, 0x2fa1f), (0, 0x10ffff)]


def one_text(rng):
    """A text of a random kind."""
    kind = rng.randrange(8)
    if kind == 0:  # one script
        low, high = rng.choice(SCRIPTS)
        return ''.join(chr(rng.randint(low, high)) if rng.random() < 0.8 else ' ' for _ in range(rng.randint(1, 16)))
    if kind == 1:  # words
        return ''.join(rng.choice(WORDS) + rng.choice([' ', ' ', ' ', '', ', ', '. ', '\n', '  ']) for _ in range(rng.randint(1, 12)))
    if kind == 2:  # slices of the lines above
        slices = []
        for _ in range(rng.randint(1, 3)):
            line = rng.choice(LINES)
            start = rng.randrange(len(line))
            slices.append(line[start:start + rng.randint(1, 18)])
        return ''.join(slices)
    if kind == 3:  # any characters
        return ''.join(chr(rng.choice([rng.randrange(0x250), rng.randrange(0x3000), rng.randrange(0x110000)])) for _ in range(rng.randint(1, 10)))
    if kind == 4:  # letters with accents in both forms
        text = ''.join(rng.choice("abcdeghilnorstuvyABCDEIOSTÄÉÑÖŒÜßçœıİ0123456789 ' .,;:-_'\"()/") + rng.choice(['', '', '', '\u0301', '\u0308', '\u0323'])
                       for _ in range(rng.randint(1, 30)))
        return unicodedata.normalize(rng.choice(['NFC', 'NFD']), text)
    if kind == 5:  # white space, digits and signs in runs
        return ''.join(rng.choice([' ', ' ', '\t', '\n', '\r\n', '\u00a0', '\u3000', '7', '42', '\u0663', '²', 'a', 'B', 'é', '中', '!', '--', "'s", "'"]) *
                       rng.choice([1, 1, 2, 3, 5]) for _ in range(rng.randint(1, 14)))
    if kind == 6:  # special tokens within texts
        return ''.join(rng.choice([rng.choice(SPECIAL), rng.choice(SPECIAL), rng.choice(SPECIAL)[:-1], rng.choice(WORDS), ' ', '  ', '_', 'é', '.']) for _ in range(rng.randint(1, 9)))
    return ''.join(rng.choice(['if', 'x', '_y', '==', '!=', '{', '}', '();', '\n    ', '\t', '0x1F', '1e9', '->', '::', '"s"', '// ', '#', '&&', ' ', ' ']) for _ in range(rng.randint(1, 20)))


def all_texts():
    texts = ['', ' ', '  ', '\t\n  \r\n', '\u3000\u00a0', '\u0301', '\u200b', '\x00', 'a', 'é', '.', '7', '\n', "'", "'s", '▁', '<s>', ' <mask> ', '[MASK]', '<|endoftext|>'] + LINES
    rng = random.Random(20250601)
    while len(texts) < 2000:
        text = one_text(rng)
        if not any(0xd800 <= ord(c) < 0xe000 for c in text):
            texts.append(text)
    return texts


def hash_of(ids):
    value = 0x811c9dc5
    for byte in struct.pack(f'<{len(ids)}i', *ids):
        value = ((value ^ byte) * 0x01000193) & 0xffffffff
    return f'{value:08x}'


def hashes(tokenizer, texts, digits=8):
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return ''.join(hash_of(tokenizer.encode(text).ids)[-digits:] for text in texts)


def with_frame(tokenizer, end):
    """Adds Qwen3's post-processor: an end token behind every text."""
    token = tokenizer.token_to_id(end)
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False),
                                                    processors.TemplateProcessing(single=f'$A {end}', pair=f'$A {end} $B {end}', special_tokens=[(end, token)])])
    return tokenizer


def from_transformers(*directories):
    """The tokenizer of a directory, its files completed from further ones."""
    with tempfile.TemporaryDirectory() as scratch:
        for directory in reversed(directories):
            for file in directory.iterdir():
                shutil.copyfile(file, pathlib.Path(scratch) / file.name)
        return Tokenizer.from_str(AutoTokenizer.from_pretrained(scratch).backend_tokenizer.to_str())


def bert(vocabulary):
    tokenizer = Tokenizer(models.WordPiece.from_file(str(vocabulary), unk_token='[UNK]', max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'])
    tokenizer.post_processor = processors.BertProcessing(('[SEP]', tokenizer.token_to_id('[SEP]')), ('[CLS]', tokenizer.token_to_id('[CLS]')))
    return tokenizer


def llama3_shape(texts):
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3), 'isolated'), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=1200, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    # Whole words that no merge leads to: ignore_merges finds them all the same.
    model = json.loads(tokenizer.to_str())
    for word in ['internationalisation', 'Ġphotosyntheses', 'zq']:
        model['model']['vocab'][word] = len(model['model']['vocab'])
    tokenizer = Tokenizer.from_str(json.dumps(model))
    tokenizer.add_special_tokens(['<|begin_of_text|>', '<|end_of_text|>', '<|eot_id|>'])
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=True), processors.TemplateProcessing(
        single='<|begin_of_text|> $A', pair='<|begin_of_text|> $A <|begin_of_text|> $B', special_tokens=[('<|begin_of_text|>', tokenizer.token_to_id('<|begin_of_text|>'))])])
    return tokenizer


def double_array(entries):
    """SentencePiece's precompiled table of {text: replacement}."""
    blob, root = b'', {}
    for text, replacement in sorted(entries.items()):
        node = root
        for byte in text.encode():
            node = node.setdefault(byte, {})
        node[0] = len(blob)
        blob += replacement.encode() + b'\0'
    units, used = [0] * 256, [False] * 256
    used[0] = True

    def place(node, at):
        labels = sorted(node)
        base = 0
        while True:  # the first block of free places
            base += 1
            while len(used) <= (base | 255):
                units.append(0)
                used.append(False)
            offset = base ^ at
            if all(not used[base ^ label] for label in labels) and not used[base] and (offset < 1 << 21 or offset & 0xff == 0):
                break
        used[base] = True
        for label in labels:
            used[base ^ label] = True
        field = offset << 10 if offset < 1 << 21 else (offset << 2) | (1 << 9)
        units[at] |= field | ((0 in node) << 8)
        for label in labels:
            if label == 0:
                units[base] = node[0] | 1 << 31
            else:
                units[base ^ label] = label
                place(node[label], base ^ label)
    place(root, 0)
    trie = struct.pack(f'<{len(units)}I', *units)
    return struct.pack('<I', len(trie)) + trie + blob


def character_map():
    """A table of the same kind as XLM-R's: compositions, compatibility characters, controls that vanish or are blanks."""
    entries = {chr(c): unicodedata.normalize('NFKC', chr(c)) for first, last in [(0xa0, 0x17f), (0x2000, 0x206f), (0x2100, 0x214f), (0x2460, 0x24ff), (0x3300, 0x33ff),
                                                                                  (0xfb00, 0xfb06), (0xff01, 0xff9f)] for c in range(first, last + 1)}
    entries |= {chr(c): '' for c in [*range(1, 9), 0xb, *range(0xe, 0x20), 0x7f, 0x8f, 0x9f]} | {chr(c): ' ' for c in [9, 10, 12, 13, 0x200b, 0x200e, 0x2028, 0xfeff, 0x3000]}
    for letter in 'aeiounAEO':
        for mark in '\u0300\u0301\u0302\u0308\u030a\u0323':
            entries[letter + mark] = unicodedata.normalize('NFKC', letter + mark)
    return {text: replacement for text, replacement in entries.items() if text != replacement}


def xlm_roberta_shape(texts):
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.Precompiled(double_array(character_map())), normalizers.Replace(Regex(' {2,}'), ' ')])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement='▁', prepend_scheme='always')
    tokenizer.decoder = decoders.Metaspace(replacement='▁', prepend_scheme='always')
    trainer = trainers.UnigramTrainer(vocab_size=1500, special_tokens=['<s>', '<pad>', '</s>', '<unk>'], unk_token='<unk>', show_progress=False)
    # The least frequent characters stay unknown.
    tokenizer.train_from_iterator([text for text in texts if '<' not in text and len(set(map(ord, text)) - set(range(0x500))) < 4], trainer)
    tokenizer.add_special_tokens([AddedToken('<s>', normalized=False), AddedToken('</s>', normalized=False), AddedToken('<unk>', normalized=False),
                                  AddedToken('<pad>', normalized=False), AddedToken('<mask>', lstrip=True, normalized=False)])
    ids = [(token, tokenizer.token_to_id(token)) for token in ('<s>', '</s>')]
    tokenizer.post_processor = processors.TemplateProcessing(single='<s> $A </s>', pair='<s> $A </s> </s> $B </s>', special_tokens=ids)
    return tokenizer


def spelling_model():
    return models.BPE(vocab={f'<0x{byte:02X}>': byte for byte in range(256)}, merges=[], byte_fallback=True, continuing_subword_prefix='\x01')


def part_tokenizers():
    """Yields one tokenizer for each normaliser, pre-tokenizer, added token and post-processor."""
    n, p = normalizers, pre_tokenizers
    steps = [n.NFC(), n.NFD(), n.NFKC(), n.NFKD(), n.Lowercase(), n.StripAccents(), n.Strip(), n.Strip(left=False), n.Strip(right=False), n.Nmt(), n.BertNormalizer(),
             n.BertNormalizer(clean_text=False, lowercase=False, strip_accents=True, handle_chinese_chars=False), n.Replace('a', 'bc'), n.Replace(' ', '▁'), n.Replace(Regex(' {2,}'), ' '),
             n.Replace(Regex(r'\s+'), ''), n.Replace('the', ''), n.Prepend('▁'), n.ByteLevel(), n.Precompiled(double_array(character_map())),
             n.Sequence([n.NFD(), n.StripAccents(), n.Lowercase()]), n.Sequence([n.NFKC(), n.Strip(), n.Prepend('x'), n.Replace('x', '')])]
    words = [p.ByteLevel(add_prefix_space=False), p.ByteLevel(add_prefix_space=True), p.ByteLevel(add_prefix_space=True, use_regex=False), p.Whitespace(), p.WhitespaceSplit(), p.BertPreTokenizer(),
             p.Digits(), p.Digits(individual_digits=True), p.Punctuation(), p.Punctuation('removed'), p.Punctuation('merged_with_previous'), p.Punctuation('merged_with_next'),
             p.Punctuation('contiguous'), p.Metaspace(), p.Metaspace(prepend_scheme='never'), p.Metaspace(prepend_scheme='first'), p.Metaspace(split=False), p.Split(Regex(GPT2), 'isolated'),
             p.Split(Regex(QWEN2), 'isolated'), p.Split(Regex(LLAMA3), 'removed', invert=True), p.Split(' ', 'merged_with_previous'), p.Split(' ', 'merged_with_next'), p.Split(' ', 'contiguous'),
             p.Split(' ', 'removed'), p.Split(' ', 'isolated', invert=True), p.Split(Regex(r'\s+'), 'removed'), p.Split('the', 'merged_with_next', invert=True),
             p.Sequence([p.WhitespaceSplit(), p.Metaspace()]), p.Sequence([p.WhitespaceSplit(), p.Metaspace(prepend_scheme='first')]), p.Sequence([p.Digits(), p.Punctuation(), p.ByteLevel(add_prefix_space=True)])]
    for step in steps:
        yield step, None, [], None
        if not isinstance(step, n.Sequence):
            yield step, p.Metaspace(prepend_scheme='first'), [AddedToken('<s>', normalized=True)], None
    for step in words:
        yield None, step, [], None
    for flags in [{'lstrip': True}, {'rstrip': True}, {'lstrip': True, 'rstrip': True}, {'single_word': True}, {'single_word': True, 'lstrip': True, 'rstrip': True}]:
        for normalized in (False, True):
            tokens = [AddedToken(content, normalized=normalized, **flags) for content in ['<mask>', 'The', ' ', 'é', '[SEP]', '<s>', '<s', 's>', '\n', 'in']]
            yield n.Lowercase(), p.Metaspace(prepend_scheme='first'), tokens, None
    tokens = [AddedToken('THE', normalized=True), AddedToken('an', normalized=False), AddedToken('and', normalized=True)]
    yield n.Lowercase(), p.Whitespace(), tokens, None
    yield None, None, [], processors.BertProcessing(('<0x01>', 1), ('<0x02>', 2))
    yield None, None, [], processors.RobertaProcessing(('<0x01>', 1), ('<0x02>', 2))
    template = processors.TemplateProcessing(single='x $A y x', pair='$A $B', special_tokens=[{'id': 'x', 'ids': [5, 6], 'tokens': ['<0x05>', '<0x06>']}, {'id': 'y', 'ids': [7], 'tokens': ['<0x07>']}])
    yield None, None, [], template
    yield None, None, [], processors.Sequence([processors.ByteLevel(), template, processors.ByteLevel()])


def part_rows(texts):
    for normalizer, pre_tokenizer, added, processor in part_tokenizers():
        tokenizer = Tokenizer(spelling_model())
        if normalizer:
            tokenizer.normalizer = normalizer
        if pre_tokenizer:
            tokenizer.pre_tokenizer = pre_tokenizer
        if processor:
            tokenizer.post_processor = processor
        tokenizer.add_tokens(added)
        tokenizer = Tokenizer.from_str(tokenizer.to_str())  # what a reader of the file gets
        shape = json.loads(tokenizer.to_str())
        del shape['model']
        yield {'tokenizer': shape, 'hashes': hashes(tokenizer, texts, 4)}


def character_sets():
    """Yields (name, one byte a character): how each part treats it between two letters."""
    cases = {'gpt2': pre_tokenizers.Split(Regex(GPT2), 'isolated'), 'llama3': pre_tokenizers.Split(Regex(LLAMA3), 'isolated'), 'whitespace': pre_tokenizers.Whitespace(),
             'digits': pre_tokenizers.Digits(individual_digits=True), 'punctuation': pre_tokenizers.Punctuation(), 'whitespace_split': pre_tokenizers.WhitespaceSplit()}
    for name, part in cases.items():
        yield name, lambda c, part=part: '|'.join(piece for piece, _ in part.pre_tokenize_str(f'a{c} {c}1{c}{c}\n'))
    for name in ['NFC', 'NFD', 'NFKC', 'NFKD', 'StripAccents', 'Nmt', 'Lowercase']:
        part = getattr(normalizers, name)()
        yield name, lambda c, part=part: part.normalize_str(f'A{c}\u302e\u1b44\u0301{c}\u0323')
    part = normalizers.Precompiled(double_array({'a': 'X'}))
    yield 'clusters', lambda c, part=part: part.normalize_str(f'a{c}a')


def character_rows():
    for name, line in character_sets():
        digest = hashlib.sha256()
        for c in range(0x110000):
            if not 0xd800 <= c < 0xe000:
                digest.update((line(chr(c)) + '\n').encode())
        yield {'name': name, 'sha256': digest.hexdigest()}


def write(path, rows):
    path.write_text(''.join(json.dumps(row, ensure_ascii=False, separators=(',', ':')) + '\n' for row in rows), encoding='utf-8')
    assert path.stat().st_size < 200_000, (path, path.stat().st_size)


def main():
    data, out = map(pathlib.Path, sys.argv[1:3])
    data = data / 'tokenizers'
    texts = all_texts()
    write(out / 'texts.jsonl', [{'text': text} for text in texts])
    trained = {'llama3_shape': llama3_shape(texts), 'xlm_roberta_shape': xlm_roberta_shape(texts)}
    for name, tokenizer in trained.items():
        (out / f'{name}.json').write_text(tokenizer.to_str() + '\n', encoding='utf-8')
        trained[name] = Tokenizer.from_file(str(out / f'{name}.json'))  # reading rounds scores, see score_as_read
        assert (out / f'{name}.json').stat().st_size < 200_000
    qwen = {name: from_transformers(data / name, data / 'qwen2') for name in ['qwen2', 'qwen2.5', 'qwen3']}
    published = {'gpt2': Tokenizer.from_file(str(data / 'gpt2/tokenizer.json')), **qwen, 'qwen3_end': with_frame(from_transformers(data / 'qwen3', data / 'qwen2'), '<|endoftext|>'),
                 'bert-base-uncased': bert(data / 'bert-base-uncased/vocab.txt')}
    write(out / 'published.jsonl', [{'name': name, 'hashes': hashes(tokenizer, texts)} for name, tokenizer in (published | trained).items()])
    write(out / 'parts.jsonl', part_rows(texts[:350]))
    write(out / 'characters.jsonl', character_rows())


if __name__ == '__main__':
    main()
