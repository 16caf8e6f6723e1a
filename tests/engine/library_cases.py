#!/usr/bin/env python3
"""Asks the transformers library for the ids of small tokenizer folders, for library_test.cpp to compare with.

  library_cases.py > library_cases.json      needs transformers 4.57 and tokenizers 0.22; the tests need neither
"""
import copy
import json
import tempfile
from pathlib import Path

import tokenizers
import transformers

PIECES = ['##s', '##ing', '##a', '##b', '##n', '##d', '##19', '##-', '##@x', '@@s']
WORDS = ['hello', 'world', 'the', 'river', 'bank', 'paris', 'Paris', 'HELLO', 'cafe', 'caf\u00e9', 'a', 'b', 'c', 'new', 'york',
         'covid', '-', '19', '.', ',', '!', '[', ']', '/', '#', 'e', '1', 'mask', 'sep', 'cls', '\u4e2d', '\u6587', '\u4e2d\u6587',
         '\u03c3\u03b1\u03c3', '\u03c3\u03b1\u03c2', 'i', '_', '\u0915']
VOCABULARY = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'] + PIECES + WORDS
IDS = {word: i for i, word in enumerate(VOCABULARY)}
SPECIAL = VOCABULARY[:5]


def added(content, place=0, **flags):
    """An entry of added_tokens; `place` counts from the end of the vocabulary for new ones."""
    usual = dict(single_word=False, lstrip=False, rstrip=False, normalized=False, special=False)
    return dict(id=IDS.get(content, len(VOCABULARY) + place), content=content, **{**usual, **flags})


def framed(cls, sep):
    text = lambda which, kind: {'Sequence': {'id': which, 'type_id': kind}}
    token = lambda name, kind: {'SpecialToken': {'id': name, 'type_id': kind}}
    return {'type': 'TemplateProcessing', 'single': [token(cls, 0), text('A', 0), token(sep, 0)],
            'pair': [token(cls, 0), text('A', 0), token(sep, 0), text('B', 1), token(sep, 1)],
            'special_tokens': {name: {'id': name, 'ids': [IDS[name]], 'tokens': [name]} for name in (cls, sep)}}


BASE = {'version': '1.0', 'truncation': None, 'padding': None, 'added_tokens': [added(s, special=True) for s in SPECIAL],
        'normalizer': {'type': 'BertNormalizer', 'clean_text': True, 'handle_chinese_chars': True, 'strip_accents': None, 'lowercase': True},
        'pre_tokenizer': {'type': 'BertPreTokenizer'}, 'post_processor': framed('[CLS]', '[SEP]'),
        'decoder': {'type': 'WordPiece', 'prefix': '##', 'cleanup': True},
        'model': {'type': 'WordPiece', 'unk_token': '[UNK]', 'continuing_subword_prefix': '##', 'max_input_chars_per_word': 100, 'vocab': IDS}}
ROLES = dict(unk_token='[UNK]', sep_token='[SEP]', pad_token='[PAD]', cls_token='[CLS]', mask_token='[MASK]')
BERT = dict(tokenizer_class='BertTokenizer', do_lower_case=True, **ROLES)
GENERAL = dict(tokenizer_class='PreTrainedTokenizerFast', **ROLES)
LONG = 'hello the river bank of paris , hello world ! a b c a b c new york covid - 19'


def tokenizer_json(*more, **parts):
    made = copy.deepcopy(BASE)
    made['added_tokens'] += more
    for path, value in parts.items():
        at = made
        *above, last = path.split('__')
        for key in above: at = at[key]
        at[last] = value
    return made


def case(name, texts, config=None, longest=1000, **files):
    """`files`: tokenizer_json, added_tokens, special_tokens_map as objects; without tokenizer_json a vocab.txt is written."""
    return dict(name=name, texts=texts, config=config, longest=longest, files=files)


FLAGS = ['hello <x> world', 'hello<x>world', 'the  <x>  river', '<x>', '<x><x>', ' <x> <x> ', 'a_<x> \u0915\u094d<x> \u4e2d<x> .<x>', '<X> <x>\n\t<x>\u2003b']
CASES = [case(f'flags {"+".join(on) or "none"} {"special" if special else "ordinary"} {"normalised" if normalized else "raw"}', FLAGS, BERT,
              tokenizer_json=tokenizer_json(added('<x>', special=special, normalized=normalized, **{f: True for f in on})))
         for special in (False, True) for normalized in (False, True)
         for on in ([], ['single_word'], ['lstrip'], ['rstrip'], ['single_word', 'lstrip', 'rstrip'])]
CASES += [
    case('special tokens in a text', ['hello [SEP] world', 'hello[MASK]s', '[sep] [Mask]', '[CLS]', '[UNK] zzz [PAD]'], BERT, tokenizer_json=BASE),
    case('special tokens in a text, by vocabulary', ['hello [SEP] world', 'hello[MASK]s', '[sep]'], BERT),
    case('the longest added token at the leftmost place', ['aab aaab ab aaaab', 'baaabaab'], GENERAL,
         tokenizer_json=tokenizer_json(added('a'), added('aa', 0), added('aab', 1), added('ab', 2), added('baaab', 3))),
    case('added words are found in the normalised text', ['COVID-19 in Paris', 'Caf\u00c9-X', 'New\tYork NEW YORK', '\u4e2d\u6587 \u4e2d \u6587'], BERT,
         tokenizer_json=tokenizer_json(added('covid-19', 0, normalized=True), added('Caf\u00e9-x', 1, normalized=True),
                                       added('New York', 2, normalized=True), added('\u4e2d\u6587', normalized=True))),
    case('ids of added tokens are given in order, not by the file', ['<b> <a> <c>'], GENERAL,
         tokenizer_json=tokenizer_json(added('<b>', 7), added('<a>', 3), added('<c>', 90))),
    case('a token added twice', ['hello <x> world'], GENERAL,
         tokenizer_json=tokenizer_json(added('<x>', 0), added('<x>', 0, lstrip=True, normalized=True))),
    case('added_tokens.json', ['covid-19 in Paris', 'hello [E1] COVID-19 [/E1]'], BERT,
         added_tokens={'covid-19': len(VOCABULARY), '[E1]': len(VOCABULARY) + 1, '[/E1]': len(VOCABULARY) + 2},
         special_tokens_map={**ROLES, 'additional_special_tokens': ['[E1]', '[/E1]']}),
    case('added_tokens_decoder beside a vocabulary', ['the <e> river <E> <f>'],
         {**BERT, 'added_tokens_decoder': {**{str(i): {k: v for k, v in added(s, special=True).items() if k != 'id'} for i, s in enumerate(SPECIAL)},
                                           str(len(VOCABULARY)): {k: v for k, v in added('<e>', rstrip=True, normalized=True).items() if k != 'id'},
                                           str(len(VOCABULARY) + 1): {k: v for k, v in added('<f>').items() if k != 'id'}}}),
    case('added_tokens_decoder changes flags', ['hello [MASK] world'],
         {**GENERAL, 'added_tokens_decoder': {'4': {k: v for k, v in added('[MASK]', special=True, lstrip=True, normalized=True).items() if k != 'id'}}},
         tokenizer_json=BASE),
    case('additional special tokens', ['hello <s1> world<s2>'], {**BERT, 'additional_special_tokens': ['<s1>', '<s2>']}, tokenizer_json=BASE),
    case('a role that no vocabulary has', ['hello <m> world [MASK]'], {**BERT, 'mask_token': '<m>'}, tokenizer_json=BASE),
    case('special_tokens_map.json has rules', ['hello  [MASK]  world'], {k: v for k, v in BERT.items() if k != 'mask_token'},
         special_tokens_map={**ROLES, 'mask_token': dict(content='[MASK]', lstrip=True, rstrip=True, normalized=False, single_word=False)}),
    case('split_special_tokens', ['hello [SEP] <x> [MASK]'], {**GENERAL, 'split_special_tokens': True}, tokenizer_json=tokenizer_json(added('<x>'))),
    case('case by tokenizer_config.json', ['HELLO Paris Caf\u00e9'], BERT, tokenizer_json=tokenizer_json(normalizer__lowercase=False)),
    case('no case by tokenizer_config.json', ['HELLO Paris Caf\u00e9'], {**BERT, 'do_lower_case': False}, tokenizer_json=BASE),
    case('no tokenizer_config.json: the defaults of the class', ['HELLO Paris Caf\u00e9'], None, tokenizer_json=tokenizer_json(normalizer__lowercase=False)),
    case('the general class leaves the normaliser alone', ['HELLO Paris Caf\u00e9'], {**GENERAL, 'do_lower_case': True},
         tokenizer_json=tokenizer_json(normalizer__lowercase=False)),
    case('accents by tokenizer_config.json', ['Caf\u00e9 Cafe\u0301'], {**BERT, 'strip_accents': False}, tokenizer_json=BASE),
    case('Chinese characters by tokenizer_config.json', ['a\u4e2d\u6587b \u4e2d\u6587'], {**BERT, 'tokenize_chinese_chars': False}, tokenizer_json=BASE),
    case('added words of another case than the class', ['gpt4 GPT4'], BERT,
         tokenizer_json=tokenizer_json(added('GPT4', normalized=True), normalizer__lowercase=False)),
    case('cut on the left', [LONG, [LONG, 'new york'], ['new york', LONG], [LONG, LONG]], {**BERT, 'truncation_side': 'left'}, 12, tokenizer_json=BASE),
    case('cut on the side of tokenizer.json', [LONG, ['a b', LONG]], GENERAL, 9,
         tokenizer_json=tokenizer_json(truncation=dict(direction='Left', max_length=4, strategy='OnlyFirst', stride=0))),
    case('pairs', [['hello', 'world'], ['', 'a'], ['a', ''], ['[SEP]', '[CLS]']], BERT, tokenizer_json=BASE),
    case('pairs by vocabulary', [['hello', 'world'], ['', '']], BERT),
    case('BertProcessing', ['hello', ['hello', 'world']], BERT,
         tokenizer_json=tokenizer_json(post_processor={'type': 'BertProcessing', 'sep': ['[SEP]', 3], 'cls': ['[CLS]', 2]})),
    case('no post-processor', ['hello', ['hello', 'world']], GENERAL, tokenizer_json=tokenizer_json(post_processor=None)),
    case('other tokens around', ['hello', ['hello', 'world']], GENERAL, tokenizer_json=tokenizer_json(post_processor=framed('[MASK]', '[PAD]'))),
    case('no token types', [['hello', 'world']], {**BERT, 'tokenizer_class': 'DistilBertTokenizer'}, tokenizer_json=BASE),
    case('model_input_names', [['hello', 'world']], {**BERT, 'model_input_names': ['input_ids', 'attention_mask']}, tokenizer_json=BASE),
    case('another prefix', ['worlds helloss'], GENERAL, tokenizer_json=tokenizer_json(model__continuing_subword_prefix='@@')),
    case('a shorter limit of words', ['hello the'], GENERAL, tokenizer_json=tokenizer_json(model__max_input_chars_per_word=4)),
    case('a model without a type', ['hello worlds'], GENERAL,
         tokenizer_json=tokenizer_json(model={k: v for k, v in BASE['model'].items() if k != 'type'})),
]
for most in range(3, 16): CASES.append(case(f'pairs cut to {most}', [['a b c a b c', 'hello world the'], ['a b', LONG], [LONG, 'a b c']], BERT, most, tokenizer_json=BASE))


def folder_of(one):
    texts = {} if 'tokenizer_json' in one['files'] else {'vocab.txt': '\n'.join(VOCABULARY) + '\n'}
    names = dict(tokenizer_json='tokenizer.json', added_tokens='added_tokens.json', special_tokens_map='special_tokens_map.json')
    texts |= {names[key]: json.dumps(value) for key, value in one['files'].items()}
    if one['config'] is not None: texts['tokenizer_config.json'] = json.dumps(one['config'])
    return texts


def answers(one, texts):
    with tempfile.TemporaryDirectory() as name:
        for file, text in {**texts, 'config.json': '{"model_type": "bert"}'}.items(): (Path(name) / file).write_text(text, encoding='utf-8')
        library = transformers.AutoTokenizer.from_pretrained(name)
    for text in one['texts']:
        lists = [[text]] if isinstance(text, str) else [[text[0]], [text[1]]]
        read = library(*lists, truncation='longest_first', max_length=one['longest'])
        yield dict(text=text, ids=read['input_ids'][0], token_types=read.get('token_type_ids', [[]])[0])


def main():
    cases = []
    for one in CASES:
        texts = folder_of(one)
        cases.append(dict(name=one['name'], files=texts, max_tokens=one['longest'], answers=list(answers(one, texts))))
    written_once = {'VOCABULARY': json.dumps(IDS), 'LINES': '\n'.join(VOCABULARY) + '\n', 'TOKENIZER': json.dumps(BASE).replace(json.dumps(IDS), 'VOCABULARY')}
    for one in cases:
        for word, text in written_once.items():
            one['files'] = {k: v.replace(text, word) for k, v in one['files'].items()}
    by = f'transformers {transformers.__version__}, tokenizers {tokenizers.__version__}'
    print(json.dumps({'by': by, 'written_once': written_once})[:-1] + ', "cases": [')
    print(',\n'.join(json.dumps(one) for one in cases))
    print(']}')


if __name__ == '__main__': main()
